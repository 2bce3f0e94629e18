"""Agreement of a variant's detections with those of the original."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

import numpy as np

from hearth_models.record import Agreement
from hearth_vision.detections import Detections
from hearth_vision.nms import box_iou

BOUND_F1: Final = 0.95
BOUND_IOU: Final = 0.9
"""Below either, a variant is not accepted: one object in twenty comes or goes, or boxes shift."""

MIN_OBJECTS: Final = 30
"""With fewer objects on the held-out frames, agreement is unknown.
With 30 of 30 matched the true share is above 0.9 with 95 % confidence (rule of three)."""

SAME_OBJECT: Final = 0.5
"""Overlap from which boxes of one class are the same object, as in PASCAL VOC."""


def compare(
    original: Sequence[Detections],
    variant: Sequence[Detections],
    confidence: float,
    person: int | None,
) -> Agreement:
    """Match boxes of one class, the largest overlaps first, each at most once.

    Args:
        original: One for each held-out frame.
        variant: Likewise.
        confidence: What scores lower on its own side does not count.
        person: The class of people, if the model has one.
    """
    overlaps: list[float] = []
    differences: list[float] = []
    counts = [0, 0]
    people = [0, 0]
    persons = [0, 0]  # boxes of people on both sides, twice those matched
    for one, other in zip(original, variant, strict=True):
        sides = [side.select(side.scores >= confidence) for side in (one, other)]
        for index, side in enumerate(sides):
            counts[index] += len(side)
            here = int((side.class_ids == person).sum()) if person is not None else 0
            people[index] += here > 0
            persons[0] += here
        for left, right, overlap in _pairs(*sides):
            overlaps.append(overlap)
            persons[1] += 2 * (int(sides[0].class_ids[left]) == person)
            differences.append(abs(float(sides[0].scores[left]) - float(sides[1].scores[right])))
    total = sum(counts)
    return Agreement(
        frames=len(original),
        confidence=confidence,
        iou=SAME_OBJECT,
        original=counts[0],
        variant=counts[1],
        matched=len(overlaps),
        f1=round(2 * len(overlaps) / total, 4) if total else 1.0,
        iou_median=round(statistics.median(overlaps), 4) if overlaps else None,
        score_difference_median=round(statistics.median(differences), 4) if overlaps else None,
        score_difference_max=round(max(differences), 4) if overlaps else None,
        frames_with_person=(people[0], people[1]) if person is not None else None,
        f1_person=round(persons[1] / persons[0], 4) if persons[0] else None,
    )


def _pairs(one: Detections, other: Detections) -> list[tuple[int, int, float]]:
    if len(one) == 0 or len(other) == 0:
        return []
    overlap = box_iou(one.boxes, other.boxes)
    overlap[one.class_ids[:, None] != other.class_ids[None, :]] = 0
    found: list[tuple[int, int, float]] = []
    for position in np.argsort(-overlap, axis=None, kind="stable"):
        left, right = np.unravel_index(position, overlap.shape)
        value = float(overlap[left, right])
        if value < SAME_OBJECT:
            break
        if _both_free(found, int(left), int(right)):
            found.append((int(left), int(right), value))
    return found


def _both_free(found: Sequence[tuple[int, int, float]], left: int, right: int) -> bool:
    """Whether neither box is matched already."""
    return all(a != left and b != right for a, b, _ in found)


def judge(agreement: Agreement) -> tuple[bool, str]:
    """Whether a variant may take the original's place, and why."""
    if agreement.original < MIN_OBJECTS:
        return False, (
            f"not established: the original finds {agreement.original} objects on "
            f"{agreement.frames} held-out frames, at least {MIN_OBJECTS} are needed"
        )
    shown = f"F1 {agreement.f1:.3f}, median overlap {agreement.iou_median or 0:.3f}"
    if agreement.f1 < BOUND_F1 or (agreement.iou_median or 0) < BOUND_IOU:
        return False, (
            f"below the bound: {shown}; at least {BOUND_F1} and {BOUND_IOU} are asked for, so the "
            f"original stays"
        )
    people = agreement.frames_with_person
    if people is not None and people[1] < people[0] * BOUND_F1:
        return False, (
            f"below the bound: people on {people[1]} frames where the original finds them on "
            f"{people[0]}, so the original stays"
        )
    return True, shown
