"""Detections of one image: boxes in source pixels, scores and classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]
ClassIds = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Detections:
    """N objects on one image, the highest score first where a detector made them.

    Attributes:
        boxes: (N, 4) float32, x1, y1, x2, y2 in pixels of the source image, x1 <= x2, y1 <= y2.
        scores: (N,) float32 in 0..1.
        class_ids: (N,) int64, indices into the detector's class names.

    Raises:
        ValueError: An array has the wrong shape or type, or a value outside its range.
    """

    boxes: Boxes
    scores: Scores
    class_ids: ClassIds

    def __post_init__(self) -> None:
        n = len(self.scores)
        expected: tuple[tuple[str, NDArray[Any], tuple[int, ...], type], ...] = (
            ("boxes", self.boxes, (n, 4), np.float32),
            ("scores", self.scores, (n,), np.float32),
            ("class_ids", self.class_ids, (n,), np.int64),
        )
        for name, array, shape, dtype in expected:
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(
                    f"{name} must be {np.dtype(dtype).name} of shape {shape}, "
                    f"not {array.dtype.name} of shape {array.shape}"
                )
        if n == 0:
            return
        if not np.isfinite(self.boxes).all():
            raise ValueError("boxes must be finite")
        if (self.boxes[:, :2] > self.boxes[:, 2:]).any():
            raise ValueError("boxes must be x1, y1, x2, y2 with x1 <= x2 and y1 <= y2")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError("scores must lie in 0..1")
        if (self.class_ids < 0).any():
            raise ValueError("class_ids must not be negative")

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, mask: NDArray[np.bool_] | NDArray[np.int64]) -> Detections:
        """Keep some, in the order asked for.

        Args:
            mask: (N,) bool, or (M,) indices.
        """
        return Detections(self.boxes[mask], self.scores[mask], self.class_ids[mask])
