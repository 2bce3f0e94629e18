"""Non-maximum suppression."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth_vision.detections import Boxes, ClassIds, Scores

MAX_CANDIDATES = 3000
"""Only the highest scores enter: it bounds the work, which grows with the square."""


def box_iou(boxes: Boxes, others: Boxes) -> NDArray[np.float32]:
    """Intersection over union of every pair; 0 where both are empty.

    Args:
        boxes: (N, 4), x1, y1, x2, y2.
        others: (M, 4), likewise.

    Returns:
        (N, M) float32 in 0..1.
    """
    shared = shared_areas(boxes, others)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    other_areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = areas[:, None] + other_areas[None, :] - shared
    ratio: NDArray[np.float32] = np.divide(
        shared, union, out=np.zeros_like(shared), where=union > 0
    ).astype(np.float32)
    return ratio


def shared_areas(boxes: Boxes, others: Boxes) -> NDArray[np.float32]:
    """(N, M) the area that each pair of boxes (N, 4) and (M, 4) has in common, square pixels."""
    corner = np.maximum(boxes[:, None, :2], others[None, :, :2])
    opposite = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    areas: NDArray[np.float32] = np.prod(np.clip(opposite - corner, 0, None), axis=2)
    return areas


def suppress(
    boxes: Boxes, scores: Scores, class_ids: ClassIds, iou: float, limit: int
) -> NDArray[np.int64]:
    """Class-wise greedy non-maximum suppression.

    From the highest score down, a box is dropped when it overlaps a kept box of its own class by
    more than `iou`. Of equal scores the earlier box comes first. OpenCV does the work: 0.09 ms at
    300 candidates, 0.85 in NumPy.

    Args:
        boxes: (N, 4) float32, x1, y1, x2, y2.
        scores: (N,) float32.
        class_ids: (N,) int64.
        iou: 0..1.
        limit: At most so many are kept.

    Returns:
        (K,) int64 indices, the highest score first.
    """
    if len(scores) == 0:
        return np.empty(0, np.int64)
    order: NDArray[Any] = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    corners = boxes[order].astype(np.float64)
    xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(
        xywh,  # type: ignore[arg-type]
        scores[order],
        class_ids[order].astype(np.int32),
        # Its score threshold is exclusive; ours was applied before.
        score_threshold=-1.0,
        nms_threshold=iou,
    )
    chosen: NDArray[np.int64] = order[np.sort(np.asarray(kept, np.int64))][:limit]
    return chosen
