"""The verdict on each person of a frame: compliant, violation or indeterminate, never guessed.

An item that a policy requires is

- *worn* when the model showed it on the person;
- *missing* when the model showed its absence (`no_helmet`), or when the model knows the item, has
  no class for its absence, the item is large (helmet, vest), the person is well visible and nothing
  was found. The second kind is inferred: its confidence is the person's times `INFERRED`;
- *indeterminate* otherwise, with the reason: hidden by another person, cut off by the edge, too
  small, or one is nearby that may be this person's or somebody else's.

There is no `no_vest` class in the public data sets, so a missing vest is always inferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from functions.detection.judging.association import REGIONS, Box, Person, overlap
from functions.detection.judging.equipment import RESTRICTED, VIOLATION_OF, Item, Vocabulary
from functions.detection.judging.polygons import Point, contains, snap_to_border

INFERRED: Final = 0.8
"""How often "none found" is taken to be right on a well visible person. An assumption: the detector
misses about one worn helmet or vest in five. Replace it by the recall of the model in use."""

MIN_HEIGHT_PX: Final = 80
"""A vest is a third of a person: on a smaller one it has under 30 pixels, too few to miss it."""

MIN_PERSON_SCORE: Final = 0.5
EDGE_PX: Final = 2.0
MAX_HIDDEN: Final = 0.4
"""Part of the item's region that a nearer person may cover."""

CONTRADICTION: Final = 0.1
"""Worn and missing with scores nearer than this cancel out."""

INFERABLE: Final = frozenset({Item.HELMET, Item.VEST})


DecidingPoint = Literal["foot", "centre", "head"]
"""Which point of a person's box says where the person is."""


class Verdict(StrEnum):
    COMPLIANT = "compliant"
    VIOLATION = "violation"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True)
class Area:
    """A part of the image and its rules at one moment; `name` None is the whole image."""

    name: str | None
    polygon: tuple[Point, ...] | None
    restricted: bool
    required: tuple[Item, ...] | None
    free: bool = False
    """Whether it takes away the whole image's rules."""
    point: DecidingPoint = "foot"
    min_height: float = 0.0
    """Of the image's height; a lower person is not in it."""
    masks: tuple[tuple[Point, ...], ...] = ()


@dataclass(frozen=True)
class FrameRules:
    """What applies to one frame.

    Attributes:
        areas: The whole image first, then the zones that are active.
        min_score: People who score lower are left out.
        view: The part of the image that the model saw, pixels.
    """

    areas: Sequence[Area]
    min_score: float
    view: Box


@dataclass(frozen=True)
class Finding:
    """One item of one person. `state`: worn, missing or indeterminate; `score` 0..1."""

    item: Item
    state: str
    score: float
    reason: str | None = None
    inferred: bool = False


@dataclass(frozen=True)
class Violation:
    """What a person does against the rules of an area (`zone` None: the whole image)."""

    zone: str | None
    class_name: str
    score: float
    inferred: bool = False


@dataclass(frozen=True)
class Judged:
    """One person of a frame with the verdict and what it rests on."""

    index: int
    person: Person
    verdict: Verdict
    zones: tuple[str, ...]
    findings: tuple[Finding, ...]
    violations: tuple[Violation, ...]


def judge(
    people: Sequence[Person],
    words: Vocabulary,
    areas: Sequence[Area],
    size: tuple[int, int],
    min_score: float = 0.0,
    view: Box | None = None,
) -> list[Judged]:
    """Judge everyone on a frame.

    Args:
        people: As `associate` returns them; they keep their order and are numbered from 1.
        words: Roles of the model's classes.
        areas: The rules at the time of the frame; the first is the whole image.
        size: (width, height) in pixels.
        min_score: People who score lower are left out.
        view: The part of the frame that the model saw, pixels; None is the whole frame.
    """
    kept = [person for person in people if person.score >= min_score]
    seen = view or (0.0, 0.0, float(size[0]), float(size[1]))
    return [
        _judge_one(index, person, kept, words, areas, size, seen)
        for index, person in enumerate(kept, start=1)
    ]


def _judge_one(
    index: int,
    person: Person,
    people: Sequence[Person],
    words: Vocabulary,
    areas: Sequence[Area],
    size: tuple[int, int],
    view: Box,
) -> Judged:
    inside = [area for area in areas if is_in_area(person, area, size)]
    if any(area.free for area in inside):
        inside = [area for area in inside if area.name is not None]
    # A zone with a list of its own replaces the whole image's list for those who stand in it.
    replaced = any(area.name is not None and area.required is not None for area in inside)
    required = {
        area.name: () if area.name is None and replaced else area.required or () for area in inside
    }
    wanted = sorted({item for items in required.values() for item in items})
    findings = {item: judge_item(person, item, people, words, view) for item in wanted}
    violations = []
    for area in inside:
        if area.restricted:
            violations.append(Violation(area.name, RESTRICTED, person.score))
        violations += [
            Violation(area.name, VIOLATION_OF[item], found.score, found.inferred)
            for item in sorted(set(required[area.name]))
            if (found := findings[item]).state == "missing"
        ]
    verdict = Verdict.COMPLIANT
    if violations:
        verdict = Verdict.VIOLATION
    elif any(found.state == "indeterminate" for found in findings.values()):
        verdict = Verdict.INDETERMINATE
    return Judged(
        index=index,
        person=person,
        verdict=verdict,
        zones=tuple(area.name for area in inside if area.name is not None),
        findings=tuple(findings.values()),
        violations=tuple(violations),
    )


def is_in_area(person: Person, area: Area, size: tuple[int, int]) -> bool:
    """Whether the person is tall enough and the deciding point lies in the area."""
    if person.box[3] - person.box[1] < area.min_height * size[1]:
        return False
    x, y = person.point(area.point)
    # A box may end a little outside the image; the foot is then on its edge.
    relative = min(max(x / size[0], 0.0), 1.0), min(max(y / size[1], 0.0), 1.0)
    if any(contains(snap_to_border(mask), relative) for mask in area.masks):
        return False
    return area.polygon is None or contains(snap_to_border(area.polygon), relative)


def judge_item(
    person: Person,
    item: Item,
    people: Sequence[Person],
    words: Vocabulary,
    view: Box,
) -> Finding:
    """Whether one person wears one item."""
    if item not in words.worn and item not in words.missing:
        return Finding(item, "indeterminate", 0.0, "the model has no class for it")
    boxes = [thing for thing in person.equipment if thing.item == item]
    worn = max((thing.score for thing in boxes if thing.present), default=None)
    missing = max((thing.score for thing in boxes if not thing.present), default=None)
    if worn is not None and missing is not None and abs(worn - missing) < CONTRADICTION:
        return Finding(
            item,
            "indeterminate",
            0.0,
            f"shown both worn ({worn:.2f}) and missing ({missing:.2f})",
        )
    if missing is not None and (worn is None or missing > worn):
        return Finding(item, "missing", missing)
    if worn is not None:
        return Finding(item, "worn", worn)
    if item in words.missing:
        return Finding(item, "indeterminate", 0.0, "seen neither worn nor missing")
    if item not in INFERABLE:
        return Finding(item, "indeterminate", 0.0, "not seen, and too small to infer its absence")
    if reason := why_not_inferable(person, item, people, view):
        return Finding(item, "indeterminate", 0.0, reason)
    if any(thing.item == item for thing in person.doubtful):
        return Finding(item, "indeterminate", 0.0, "one nearby may be this person's or another's")
    return Finding(
        item,
        "missing",
        person.score * INFERRED,
        "none found on a person who is well visible",
        inferred=True,
    )


def why_not_inferable(
    person: Person, item: Item, people: Sequence[Person], view: Box
) -> str | None:
    """Why nothing can be inferred from not finding a helmet or vest; None when it can."""
    x1, y1, x2, y2 = person.box
    left, top, right, bottom = view
    if person.detection is None:
        return "the person was inferred from equipment, not seen whole"
    if person.score < MIN_PERSON_SCORE:
        return f"the person scores {person.score:.2f}, below {MIN_PERSON_SCORE}"
    if y2 - y1 < MIN_HEIGHT_PX:
        return f"the person is {y2 - y1:.0f} pixels tall; {MIN_HEIGHT_PX} are needed"
    if x1 <= left + EDGE_PX or x2 >= right - EDGE_PX or y1 <= top + EDGE_PX:
        return "the person is cut off by the edge of the picture"
    if y2 >= bottom - EDGE_PX and y2 - y1 < x2 - x1:
        return "only the upper part of the person is in the picture"
    region = _region(person.box, item)
    area = (region[2] - region[0]) * (region[3] - region[1])
    for other in people:
        # Whoever stands lower in the image is nearer to the camera.
        nearer = other is not person and other.detection is not None and other.box[3] > y2
        if nearer and overlap(region, other.box) > MAX_HIDDEN * area:
            return "another person hides the place where it is worn"
    return None


def _region(box: Box, item: Item) -> Box:
    """The part of the person's own box where the item is worn."""
    left, top, right, bottom = REGIONS[item].area
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    return (
        x1 + max(left, 0.0) * width,
        y1 + max(top, 0.0) * height,
        x1 + min(right, 1.0) * width,
        y1 + min(bottom, 1.0) * height,
    )
