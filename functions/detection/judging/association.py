"""Which equipment belongs to which person, by where it would be worn.

A box of equipment is measured against the region of each person's box where the item is worn; it
goes to the person whom it fits best, one item a slot (two for gloves and boots). Best fit and not
first overlap: in a group, a helmet often overlaps the box of the neighbour as well.

What fits somebody, but not well enough to be surely theirs, and what fits two people, is in doubt:
no verdict rests on it. In generated crowds of 14 (`tests/performance/association.py`) this takes
the bareheaded who are called compliant from 19 in 100 to 3.

Rejected: an optimal assignment (Hungarian). Without doubts it differs from the greedy one only
where two helmets compete for two heads that overlap almost wholly; with them the greedy one leaves
7 more helmets in 1,000 to nobody, and nobody is judged by those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from functions.detection.judging.equipment import Item, Vocabulary

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in source pixels."""


class Boxes(Protocol):
    """Detections as `hearth_vision` gives them: arrays of equal length."""

    @property
    def boxes(self) -> Sequence[Sequence[float]]: ...
    @property
    def scores(self) -> Sequence[float]: ...
    @property
    def class_ids(self) -> Sequence[int]: ...


@dataclass(frozen=True)
class Region:
    """Where an item is worn, in fractions of a standing person's box.

    Attributes:
        area: left, top, right, bottom; reaches past the box where the item can stick out.
        centre: Expected position of its centre.
        heights: How tall the item's box is, least and most, in heights of the person.
        slots: How many of this item a person wears.
        sure: Fitness from which a worn item is this person's; below, it may belong to somebody
            behind who was not found. In generated crowds (`tests/performance/association.py`) 99
            of 100 helmets fit their wearer by 0.6, and four fifths of those whose wearer was not
            found fit nobody else so well. Hands and feet are where they please.
    """

    area: Box
    centre: tuple[float, float]
    heights: tuple[float, float]
    slots: int = 1
    sure: float = 0.6


# Proportions of a standing figure of seven and a half heads (Loomis), widened for crouching and
# for detectors that cut a raised arm or a helmet off the person's box.
REGIONS: Final[dict[Item, Region]] = {
    Item.HELMET: Region((-0.15, -0.18, 1.15, 0.38), (0.5, 0.06), (0.06, 0.25)),
    Item.GOGGLES: Region((-0.05, -0.05, 1.05, 0.35), (0.5, 0.09), (0.02, 0.20)),
    Item.VEST: Region((-0.15, 0.05, 1.15, 0.80), (0.5, 0.36), (0.15, 0.65)),
    Item.GLOVES: Region((-0.30, 0.05, 1.30, 0.85), (0.5, 0.50), (0.02, 0.20), slots=2, sure=0.3),
    Item.BOOTS: Region((-0.20, 0.65, 1.20, 1.12), (0.5, 0.95), (0.03, 0.25), slots=2, sure=0.3),
}

MIN_CONTAINED: Final = 0.5
"""Part of the item's own box that must lie in the region."""

# A head is a seventh of the height; the box of a bare or helmeted head is about a third of a
# standing person's width.
HEADS_HIGH: Final = 7.0
HEADS_WIDE: Final = 2.6


@dataclass(frozen=True)
class Found:
    """One box of equipment."""

    detection: int
    item: Item
    present: bool
    score: float
    box: Box


@dataclass
class Person:
    """One person and what was found on them.

    Attributes:
        box: Source pixels; made from a piece of equipment when `detection` is None.
        score: Confidence of the person's box, or of the equipment that it was made from.
        detection: Index of the person's own box among the frame's detections.
        equipment: Boxes that were given to this person.
        doubtful: Boxes that may be this person's or somebody else's: no verdict rests on them.
    """

    box: Box
    score: float
    detection: int | None
    equipment: list[Found] = field(default_factory=list)
    doubtful: list[Found] = field(default_factory=list)

    @property
    def foot(self) -> tuple[float, float]:
        """The middle of the lower edge, pixels: where the person stands on the ground.

        A zone is drawn on the ground, so the feet decide. The box's centre would put a person who
        stands in front of a zone inside it, because heads are far from the ground they belong to.
        """
        return self.point("foot")

    def point(self, name: str) -> tuple[float, float]:
        """The middle of the box's lower edge (foot), of its upper one (head), or of the box."""
        x1, y1, x2, y2 = self.box
        return (x1 + x2) / 2, {"foot": y2, "head": y1}.get(name, (y1 + y2) / 2)


def associate(found: Boxes, words: Vocabulary, size: tuple[int, int]) -> list[Person]:
    """People on one frame with their equipment, from left to right.

    A box that shows that an item is missing implies a person: where no person's box fits, one is
    made from it. So does a helmet, where the model has no class for people.

    Args:
        found: The frame's detections; classes without a role are skipped.
        words: Roles of the model's classes.
        size: (width, height) of the frame, pixels.
    """
    people: list[Person] = []
    things: list[Found] = []
    for index, (raw, score, class_id) in enumerate(
        zip(found.boxes, found.scores, found.class_ids, strict=True)
    ):
        role = words.roles[class_id]
        if role is None:
            continue
        box = (float(raw[0]), float(raw[1]), float(raw[2]), float(raw[3]))
        if role.item is None:
            people.append(Person(box, float(score), index))
        else:
            things.append(Found(index, role.item, role.present, float(score), box))
    loose = _assign(people, things)
    while missing := [thing for thing in loose if implies_person(thing, words)]:
        first = min(missing, key=lambda t: (_IMPLIES.index(t.item), -t.score, t.box))
        person = Person(_implied_box(first, size), first.score, None, [first])
        people.append(person)
        rest = [thing for thing in loose if thing is not first]
        loose = _assign([person], rest)
    return sorted(people, key=lambda p: (p.box, -p.score, p.detection is None))


def implies_person(thing: Found, words: Vocabulary) -> bool:
    """Whether a box that nobody's box fits is a person's: of a bare head, say.

    A helmet alone may lie on a shelf; where the model knows no people, every head is one.
    """
    return not thing.present or (not words.people and thing.item is Item.HELMET)


# Heads first: the rest of the body is best inferred from them.
_IMPLIES: Final = (Item.HELMET, Item.GOGGLES, Item.VEST, Item.GLOVES, Item.BOOTS)


def _assign(people: Sequence[Person], things: Sequence[Found]) -> list[Found]:
    """Give things to people, best fit first; returns what nobody has a free slot for."""
    pairs = [
        (fit, thing, person)
        for thing in things
        for person in people
        if (fit := fitness(thing, person.box)) > 0
    ]
    # The tie rule makes the answer independent of the order in which the model named the boxes.
    pairs.sort(key=lambda p: (-p[0], -p[1].score, p[1].box, p[2].box))
    placed: set[int] = set()
    for fit, thing, person in pairs:
        if thing.detection in placed:
            # Somebody else's, and yet it might as well be this person's.
            if thing.present and fit >= REGIONS[thing.item].sure:
                person.doubtful.append(thing)
            continue
        # Worn and missing have slots of their own: when both are claimed for one head, the
        # verdict weighs them against each other.
        taken = sum(
            other.item == thing.item and other.present == thing.present
            for other in person.equipment
        )
        if taken < REGIONS[thing.item].slots:
            # Who lacks something does so whoever it is; only what is worn can be a neighbour's.
            sure = fit >= REGIONS[thing.item].sure or not thing.present
            (person.equipment if sure else person.doubtful).append(thing)
            placed.add(thing.detection)
    return [thing for thing in things if thing.detection not in placed]


def fitness(thing: Found, person: Box) -> float:
    """How well an item sits where it is worn: 0 not at all, 1 perfectly.

    Contained part of the item's box, reduced with its centre's distance from the expected place (in
    half widths and heights of the region where it is worn), and with its size where that is not one
    of this person's: the helmet of somebody far behind is too small, whatever it overlaps.
    """
    x1, y1, x2, y2 = person
    width, height = x2 - x1, y2 - y1
    if width <= 0 or height <= 0:
        return 0.0
    region = REGIONS[thing.item]
    left, top, right, bottom = region.area
    contained = _contained(
        thing.box,
        (x1 + left * width, y1 + top * height, x1 + right * width, y1 + bottom * height),
    )
    if contained < MIN_CONTAINED:
        return 0.0
    centre_x = (thing.box[0] + thing.box[2]) / 2
    centre_y = (thing.box[1] + thing.box[3]) / 2
    away = max(
        abs(centre_x - (x1 + region.centre[0] * width)) / (width * (right - left) / 2),
        abs(centre_y - (y1 + region.centre[1] * height)) / (height * (bottom - top) / 2),
    )
    share = (thing.box[3] - thing.box[1]) / height
    low, high = region.heights
    size = min(1.0, share / low, high / share) if share > 0 else 0.0
    return contained * size * max(0.05, 1 - away)


def _contained(inner: Box, outer: Box) -> float:
    area = (inner[2] - inner[0]) * (inner[3] - inner[1])
    return overlap(inner, outer) / area if area > 0 else 0.0


def overlap(a: Box, b: Box) -> float:
    """Common area of two boxes, square pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def _implied_box(thing: Found, size: tuple[int, int]) -> Box:
    """The person's box that a missing item implies, clipped to the frame."""
    x1, y1, x2, y2 = thing.box
    if thing.item not in (Item.HELMET, Item.GOGGLES):
        return thing.box
    centre, head_width, head_height = (x1 + x2) / 2, x2 - x1, y2 - y1
    width, height = size
    return (
        max(0.0, centre - head_width * HEADS_WIDE / 2),
        max(0.0, y1),
        min(float(width), centre + head_width * HEADS_WIDE / 2),
        min(float(height), y1 + head_height * HEADS_HIGH),
    )
