"""Whose helmet is it? Crowds with known answers: `python tests/performance/association.py`.

People of several sizes stand on a ground plane, nearer ones hide those behind; boxes are jittered
as a detector's are, hidden people and helmets are often missed, some helmets are not worn. Compared
with taking the first person whose box overlaps the helmet, and with an optimal assignment of the
same scores (SciPy): how often a worn helmet goes to its wearer, and what becomes of the verdicts.
The numbers are of these scenes; a site's own differ.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from scipy.optimize import linear_sum_assignment

from functions.detection.judging.association import Box, Found, Person, associate, fitness, overlap
from functions.detection.judging.equipment import Item, Vocabulary
from functions.detection.judging.verdicts import judge
from functions.detection.policy import parse_policy

SIZE = (1280, 720)
SCENES = 400
NAMES = ("person", "helmet")
WORDS = Vocabulary.of(NAMES)
JITTER = 0.03
"""Standard deviation of a box's edges, in parts of its width and height."""
FALSE_HELMETS = 0.1
"""Helmets a scene that nobody wears."""


@dataclass
class Scene:
    """Detections, and which person (index among the boxes) wears which helmet.

    `wearer` holds None for a helmet that nobody wears; `worn` says of each detected person whether
    they wear one, seen or not.
    """

    boxes: list[Box]
    scores: list[float]
    class_ids: list[int]
    wearer: dict[int, int | None]
    worn: dict[int, bool]


def scene(random: np.random.Generator, people: int, spread: float) -> Scene:
    """`spread` 0..1 is the part of the picture's width that the group stands in."""
    true: list[tuple[Box, Box | None]] = []
    left = random.uniform(0, 1 - spread)
    for _ in range(people):
        foot = random.uniform(0.5, 0.98) * SIZE[1]
        height = foot * random.uniform(0.5, 0.6)
        width = height * random.uniform(0.3, 0.42)
        middle = (left + spread * random.uniform(0, 1)) * SIZE[0]
        body = (middle - width / 2, foot - height, middle + width / 2, foot)
        head = None
        if random.random() < 0.6:
            lean = random.uniform(-0.18, 0.18) * width
            side = height * random.uniform(0.12, 0.16)
            top = body[1] - 0.02 * height
            head = (middle + lean - side / 2, top, middle + lean + side / 2, top + side * 0.8)
        true.append((body, head))
    true.sort(key=lambda one: one[0][3])  # the farthest first
    rows: list[tuple[Box, int, int, bool]] = []
    for index, (body, head) in enumerate(true):
        nearer = [other for other, _ in true[index + 1 :]]
        if random.random() > 1.3 * hidden(body, nearer):
            rows.append((clipped(body), 0, index, head is not None))
        if head is not None and random.random() > 1.3 * hidden(head, nearer) + 0.05:
            rows.append((clipped(head), 1, index, True))
    if random.random() < FALSE_HELMETS:
        x, y = random.uniform(0, SIZE[0] - 60), random.uniform(0.2, 0.9) * SIZE[1]
        rows.append(((x, y, x + 50, y + 40), 1, -1, False))
    # A detector names its boxes in the order of their scores.
    order = random.permutation(len(rows))
    rows = [rows[place] for place in order]
    numbers = {row[2]: place for place, row in enumerate(rows) if row[1] == 0}
    return Scene(
        boxes=[jittered(row[0], random) for row in rows],
        scores=random.uniform(0.5, 0.95, len(rows)).tolist(),
        class_ids=[row[1] for row in rows],
        wearer={place: numbers.get(row[2]) for place, row in enumerate(rows) if row[1] == 1},
        worn={place: row[3] for place, row in enumerate(rows) if row[1] == 0},
    )


def hidden(box: Box, nearer: Sequence[Box]) -> float:
    """The part of a box that others cover, 0..1."""
    grid = np.zeros((20, 20), bool)
    xs = np.linspace(box[0], box[2], 20)
    ys = np.linspace(box[1], box[3], 20)
    for other in nearer:
        # A body fills about the middle three quarters of its box.
        shrink = (other[2] - other[0]) / 8
        inside = (xs > other[0] + shrink) & (xs < other[2] - shrink)
        grid |= inside[None, :] & ((ys > other[1]) & (ys < other[3]))[:, None]
    return float(grid.mean())


def clipped(box: Box) -> Box:
    return max(0.0, box[0]), max(0.0, box[1]), min(SIZE[0], box[2]), min(SIZE[1], box[3])


def jittered(box: Box, random: np.random.Generator) -> Box:
    width, height = box[2] - box[0], box[3] - box[1]
    moves = random.normal(0, JITTER, 4) * (width, height, width, height)
    return clipped(tuple((np.array(box) + moves).tolist()))


Method = Callable[[Scene], list[Person]]


def parts(one: Scene) -> tuple[list[Person], list[Found]]:
    people = [
        Person(box, score, index)
        for index, (box, score) in enumerate(zip(one.boxes, one.scores, strict=True))
        if one.class_ids[index] == 0
    ]
    helmets = [
        Found(index, Item.HELMET, True, one.scores[index], one.boxes[index]) for index in one.wearer
    ]
    return people, helmets


def first_overlap(one: Scene) -> list[Person]:
    people, helmets = parts(one)
    for helmet in helmets:
        for person in people:
            if overlap(helmet.box, person.box) > 0:
                person.equipment.append(helmet)
                break
    return people


def optimal(one: Scene) -> list[Person]:
    people, helmets = parts(one)
    if people and helmets:
        fits = np.array([[fitness(thing, who.box) for who in people] for thing in helmets])
        for row, column in zip(*linear_sum_assignment(-fits), strict=True):
            if fits[row, column] > 0:
                people[column].equipment.append(helmets[row])
    return people


def ours(one: Scene) -> list[Person]:
    return associate(one, WORDS, SIZE)


METHODS: dict[str, Method] = {"first overlap": first_overlap, "optimal": optimal, "ours": ours}
RULES = parse_policy(b"defaults: {required: [helmet]}").rules("gate")


def measure(people: int, spread: float) -> dict[str, Any]:
    random = np.random.default_rng(people)
    scenes = [scene(random, people, spread) for _ in range(SCENES)]
    areas = RULES.areas(datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
    table = {}
    for name, method in METHODS.items():
        count: Counter[str] = Counter()
        for one in scenes:
            found = method(one)
            owner = {thing.detection: who.detection for who in found for thing in who.equipment}
            for helmet, wearer in one.wearer.items():
                if wearer is not None:
                    count["helmets"] += 1
                    count["right"] += owner.get(helmet) == wearer
            for judged in judge(found, WORDS, areas, SIZE):
                assert judged.person.detection is not None
                worn = one.worn[judged.person.detection]
                count[f"{judged.verdict.value} {'worn' if worn else 'bare'}"] += 1
        told = count["violation bare"] + count["violation worn"]
        bare = told - count["violation worn"]
        bare_all = bare + count["indeterminate bare"] + count["compliant bare"]
        everybody = sum(value for key, value in count.items() if " " in key)
        table[name] = {
            "helmet_to_its_wearer": round(count["right"] / count["helmets"], 3),
            "violations_that_are_true": round(bare / told, 3),
            "bareheaded_found": round(bare / bare_all, 3),
            "bareheaded_called_compliant": round(count["compliant bare"] / bare_all, 3),
            "indeterminate": round(
                (count["indeterminate bare"] + count["indeterminate worn"]) / everybody, 3
            ),
        }
    return table


def main() -> None:
    report = {
        f"{people} people in {spread:.0%} of the width": measure(people, spread)
        for people, spread in ((2, 0.8), (4, 0.5), (8, 0.8), (8, 0.5), (14, 0.8))
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
