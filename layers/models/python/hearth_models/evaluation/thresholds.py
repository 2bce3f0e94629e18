"""Precision and recall by threshold, the suggested threshold, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hearth_models.evaluation.average_precision import Matches, overlap_table
from hearth_models.evaluation.truth import Labelled
from hearth_vision.detections import Detections

THRESHOLDS: Final = tuple(round(0.05 * step, 2) for step in range(1, 20))
CANDIDATES: Final = np.round(np.linspace(0.01, 0.99, 99), 2)
MIN_OBJECTS: Final = 20
"""Fewer objects of a class, and no threshold is suggested: one object would move it."""

SAME_OBJECT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Point:
    """Figures at a threshold; precision is None where nothing is detected, recall without objects.

    Attributes:
        right: Detections of an object.
        wrong: Detections of nothing, or again of an object that was found.
        missed: Objects that no detection found.
    """

    threshold: float
    right: int
    wrong: int
    missed: int
    precision: float | None
    recall: float | None
    f1: float | None


def point(matches: Matches, threshold: float) -> Point:
    """Counts at one threshold, at the first of the overlaps (0.5)."""
    above = (matches.scores >= threshold) & matches.counted[0]
    right = int((matches.right[0] & above).sum())
    wrong = int((~matches.right[0] & above).sum())
    missed = matches.objects - right
    total = 2 * right + wrong + missed
    return Point(
        float(threshold),
        right,
        wrong,
        missed,
        round(right / (right + wrong), 4) if right + wrong else None,
        round(right / matches.objects, 4) if matches.objects else None,
        round(2 * right / total, 4) if total else None,
    )


def suggested(matches: Matches) -> Point | None:
    """The threshold with the best F1, of equal ones the highest; None for too few objects."""
    if matches.objects < MIN_OBJECTS:
        return None
    points = [point(matches, float(threshold)) for threshold in CANDIDATES]
    best = max(one.f1 or 0.0 for one in points)
    if best == 0:
        return None
    return next(one for one in reversed(points) if (one.f1 or 0.0) >= best)


@dataclass(frozen=True, eq=False, slots=True)
class Error:
    """A false negative or a false positive.

    Attributes:
        image: Position in the dataset.
        box: x1, y1, x2, y2, pixels.
        class_id: Of the object, or of the detection.
        missed: An object that was missed; otherwise a wrong detection.
        score: Of a wrong detection; 0 for a missed object.
        taken_for: Class of the detection that lies where the object is; None where there is none.
    """

    image: int
    box: tuple[float, float, float, float]
    class_id: int
    missed: bool
    score: float
    taken_for: int | None


def confusion(
    truth: Sequence[Labelled],
    found: Sequence[Detections],
    classes: int,
    thresholds: Sequence[float],
) -> tuple[NDArray[np.int64], list[Error]]:
    """The confusion matrix, whatever the class of the overlap.

    Args:
        thresholds: One for each class; detections that score lower do not count.

    Returns:
        (classes + 1, classes + 1) counts, rows what is there, columns what was said; the last row
        is nothing, the last column is not found. And every error.
    """
    table = np.zeros((classes + 1, classes + 1), np.int64)
    errors: list[Error] = []
    least = np.array(thresholds)
    for number, (labelled, detections) in enumerate(zip(truth, found, strict=True)):
        kept = detections.select(detections.scores >= least[detections.class_ids])
        boxes = kept.boxes.astype(np.float64)
        overlaps = overlap_table(boxes, labelled.boxes, labelled.crowd)
        pairs = _pairs(overlaps, kept, labelled)
        for index, label in pairs.items():
            there, said = int(labelled.class_ids[label]), int(kept.class_ids[index])
            if labelled.ignored[label]:
                continue
            table[there, said] += 1
            if there != said:
                errors.append(_missed(number, labelled, label, said))
        taken = set(pairs.values())
        for label in range(len(labelled.boxes)):
            if label not in taken and not labelled.ignored[label]:
                table[labelled.class_ids[label], classes] += 1
                errors.append(_missed(number, labelled, label, None))
        for index in range(len(kept)):
            near = overlaps[index][labelled.ignored] if len(labelled.boxes) else np.zeros(0)
            if index in pairs or (near >= SAME_OBJECT).any():
                continue
            said, score = int(kept.class_ids[index]), float(kept.scores[index])
            table[classes, said] += 1
            errors.append(Error(number, _box(boxes[index]), said, False, score, None))
    return table, errors


def _pairs(overlaps: NDArray[np.float64], kept: Detections, labelled: Labelled) -> dict[int, int]:
    """Detection → object: those of one class first, then the largest overlap."""
    if not overlaps.size:
        return {}
    same = kept.class_ids[:, None] == labelled.class_ids[None, :]
    order = np.argsort(-(overlaps + same), axis=None, kind="stable")
    found: dict[int, int] = {}
    taken: set[int] = set()
    for position in order:
        index, label = (int(part) for part in np.unravel_index(position, overlaps.shape))
        if overlaps[index, label] >= SAME_OBJECT and index not in found and label not in taken:
            found[index] = label
            taken.add(label)
    return found


def _missed(number: int, labelled: Labelled, label: int, said: int | None) -> Error:
    box = _box(labelled.boxes[label])
    return Error(number, box, int(labelled.class_ids[label]), True, 0.0, said)


def _box(row: NDArray[np.float64]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in row)
    return x1, y1, x2, y2


def worst(errors: Sequence[Error], truth: Sequence[Labelled], limit: int) -> list[Error]:
    """Missed objects (largest first) and wrong detections (most confident first), in turn."""

    def area(error: Error) -> float:
        x1, y1, x2, y2 = error.box
        return (x2 - x1) * (y2 - y1)

    missed = sorted((e for e in errors if e.missed), key=area, reverse=True)
    wrong = sorted((e for e in errors if not e.missed), key=lambda e: e.score, reverse=True)
    half = limit // 2
    chosen = missed[: max(half, limit - len(wrong))]
    return [*chosen, *wrong[: limit - len(chosen)]]
