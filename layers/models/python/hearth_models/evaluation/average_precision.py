"""Average precision as COCO defines it, in NumPy.

Lin et al., Microsoft COCO, 2014, and the detection evaluation of cocodataset.org: greedy matching
by score at ten overlaps, precision read at 101 recalls. Agrees with pycocotools (a test).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hearth_models.evaluation.truth import Labelled
from hearth_vision.detections import Detections

OVERLAPS: Final = np.linspace(0.5, 0.95, 10)
RECALLS: Final = np.linspace(0, 1, 101)
MAX_DETECTIONS: Final = 100
"""For one class on one image; more do not count."""

AREAS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "all": (0.0, 1e10),
        "small": (0.0, 32.0**2),
        "medium": (32.0**2, 96.0**2),
        "large": (96.0**2, 1e10),
    }
)
"""Square pixels, as COCO divides them."""


@dataclass(frozen=True, eq=False, slots=True)
class Matches:
    """One class on all images, the highest score first.

    Attributes:
        scores: (D,) float64.
        right: (T, D) bool for T overlaps: a detection of an object that counts.
        counted: (T, D) bool: neither right nor wrong where false.
        objects: How many objects count.
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    objects: int


def match_class(
    truth: Sequence[Labelled],
    found: Sequence[Detections],
    class_id: int,
    area: tuple[float, float] = AREAS["all"],
    overlaps: NDArray[np.float64] = OVERLAPS,
) -> Matches:
    """Match the detections of one class with its objects.

    Args:
        truth: One for each image.
        found: Likewise; class ids are those of the dataset.
        area: Objects of other sizes are ignored, and so are unmatched detections.
    """
    scores, right, counted, objects = [], [], [], 0
    for labelled, detections in zip(truth, found, strict=True):
        mine = labelled.class_ids == class_id
        theirs = np.flatnonzero(detections.class_ids == class_id)
        if not mine.any() and not len(theirs):
            continue
        order = np.argsort(-detections.scores[theirs], kind="stable")[:MAX_DETECTIONS]
        chosen = theirs[order]
        outside = (labelled.areas[mine] < area[0]) | (labelled.areas[mine] > area[1])
        ignored = labelled.ignored[mine] | outside
        objects += int((~ignored).sum())
        boxes = detections.boxes[chosen].astype(np.float64)
        one_right, one_ignored = _match(
            boxes, labelled.boxes[mine], labelled.crowd[mine], ignored, overlaps
        )
        sizes = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        foreign = (sizes < area[0]) | (sizes > area[1])
        scores.append(detections.scores[chosen].astype(np.float64))
        right.append(one_right & ~one_ignored)
        counted.append(~(one_ignored | (~one_right & foreign)))
    if not scores:
        empty = np.zeros((len(overlaps), 0), bool)
        return Matches(np.zeros(0), empty, empty, objects)
    together = np.concatenate(scores)
    order = np.argsort(-together, kind="stable")
    return Matches(
        together[order],
        np.concatenate(right, axis=1)[:, order],
        np.concatenate(counted, axis=1)[:, order],
        objects,
    )


def _match(
    boxes: NDArray[np.float64],
    truth: NDArray[np.float64],
    crowd: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    overlaps: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(T, D) whether a detection has an object, and whether that is ignored.

    A detection takes the object that it overlaps most among those that are free and count; only
    where there is none may it take an ignored one. Of equal overlaps the later object is taken.
    """
    matched = np.zeros((len(overlaps), len(boxes)), bool)
    of_ignored = np.zeros_like(matched)
    if not len(boxes) or not len(truth):
        return matched, of_ignored
    table = overlap_table(boxes, truth, crowd)
    for level, least in enumerate(overlaps):
        free = np.ones(len(truth), bool)
        bound = min(least, 1 - 1e-10)
        for index in range(len(boxes)):
            for group in (~ignored, ignored):
                fits = group & (free | crowd) & (table[index] >= bound)
                if fits.any():
                    values = np.where(fits, table[index], -1.0)
                    best = len(values) - 1 - int(values[::-1].argmax())
                    free[best] = False
                    matched[level, index] = True
                    of_ignored[level, index] = ignored[best]
                    break
    return matched, of_ignored


def overlap_table(
    boxes: NDArray[np.float64], truth: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(D, G) intersection over union; over the detection's own area for crowds."""
    sides = np.minimum(boxes[:, None, 2:], truth[None, :, 2:]) - np.maximum(
        boxes[:, None, :2], truth[None, :, :2]
    )
    shared = np.clip(sides, 0, None).prod(axis=2)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None]
    theirs = (truth[:, 2:] - truth[:, :2]).prod(axis=1)[None, :]
    whole = np.where(crowd[None, :], own, own + theirs - shared)
    table: NDArray[np.float64] = np.divide(
        shared, whole, out=np.zeros_like(shared), where=whole > 0
    )
    return table


def average_precisions(matches: Matches) -> NDArray[np.float64] | None:
    """(T,) average precision at each overlap; None where no object counts."""
    if matches.objects == 0:
        return None
    right = np.cumsum(matches.right & matches.counted, axis=1).astype(np.float64)
    wrong = np.cumsum(~matches.right & matches.counted, axis=1).astype(np.float64)
    found = np.zeros(len(right))
    for level in range(len(right)):
        recall = right[level] / matches.objects
        precision = right[level] / np.maximum(right[level] + wrong[level], np.spacing(1))
        # The best precision at this recall or a higher one.
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        places = np.searchsorted(recall, RECALLS, side="left")
        reached = places < len(envelope)
        found[level] = envelope[places[reached]].sum() / len(RECALLS)
    return found
