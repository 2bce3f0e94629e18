"""Labelled images: ground truth of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Labelled:
    """One image.

    Attributes:
        path: Of the image.
        boxes: (N, 4) float64, x1, y1, x2, y2 in pixels.
        class_ids: (N,) int64, into the dataset's classes.
        crowd: (N,) bool: a region with many objects; it never counts as missed, any number of
            detections in it are neither right nor wrong, and overlap is measured against the
            detection's own area (COCO's `iscrowd`).
        ignored: (N,) bool: never counts as missed, and a detection of it is neither right nor
            wrong (VOC's `difficult`). Crowds are ignored, too.
        areas: (N,) float64, square pixels: of the object where the labels say it, else of its box.
    """

    path: Path
    boxes: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    areas: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        path: Path,
        boxes: Any,
        class_ids: Any,
        crowd: Any = None,
        ignored: Any = None,
        areas: Any = None,
    ) -> Labelled:
        """From lists; what is left out is false, or the area of the box."""
        corners = np.asarray(boxes, np.float64).reshape(-1, 4)
        count = len(corners)
        crowds = np.zeros(count, bool) if crowd is None else np.asarray(crowd, bool)
        ignore = np.zeros(count, bool) if ignored is None else np.asarray(ignored, bool)
        sides = corners[:, 2:] - corners[:, :2]
        area = sides.prod(axis=1) if areas is None else np.asarray(areas, np.float64)
        return cls(path, corners, np.asarray(class_ids, np.int64), crowds, ignore | crowds, area)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images with labels.

    Attributes:
        format: `coco`, `voc` or `yolo`.
        classes: Names.
        images: In order of their paths.
        notes: What was odd, for the report.
    """

    format: str
    classes: tuple[str, ...]
    images: list[Labelled]
    notes: tuple[str, ...] = field(default=())
