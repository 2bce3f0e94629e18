"""The person detector that Hearth brings; wide images are also searched in two halves.

A letterbox of 16:9 leaves 44 % of a square input unused, and a person in it small. Slicing: Akyon
et al., "Slicing aided hyper inference and fine-tuning for small object detection", 2022.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hearth_vision.default_models import PERSON_CONFIDENCE, PERSONS
from hearth_vision.detections import Boxes, Detections
from hearth_vision.image_check import validate_image
from hearth_vision.images import Bgr
from hearth_vision.nms import shared_areas, suppress
from hearth_vision.onnx_detector import OnnxDetector

if TYPE_CHECKING:
    from hearth_vision.detector import DetectorConfig, DetectorInfo

WIDE = 4 / 3
"""Width over height above which an image is also searched in halves."""

TILE_WIDTH = 2 / 3
"""Of the image: a person narrower than the third in which the halves overlap is whole in one."""

_CUT = 0.01
"""Of the image's width: a box that near to where a tile was cut shows a part of a person."""

_COVERED = 0.5

NOTES = (
    f"No model is in force: {PERSONS.package}, which Hearth brings, looks for people",
    f"Licence as stated: {PERSONS.licence}; trained on {PERSONS.training}",
    "Safety equipment is not detected",
    "Images wider than 4:3 are also searched in two overlapping halves",
)


class TiledPersonDetector:
    """People, class 0, by `PERSONS`.

    Raises:
        ModelFailed: The file is broken.
    """

    def __init__(self, path: Path, config: DetectorConfig) -> None:
        confidence = config.threshold(PERSON_CONFIDENCE)
        self._config = replace(config, classes=(), confidence=confidence)
        self._detector = OnnxDetector(path, self._config)
        found = self._detector.info
        self._info = replace(
            found, method="ssdlite-onnx", fallback=True, notes=(*NOTES, *found.notes)
        )

    @property
    def info(self) -> DetectorInfo:
        return self._info

    def detect(self, images: Iterable[Bgr]) -> list[Detections]:
        sizes: list[tuple[int, int]] = []
        views = iter(self._detector.detect(self._views(images, sizes)))
        return [self._merge(views, height, width) for height, width in sizes]

    def _views(self, images: Iterable[Bgr], sizes: list[tuple[int, int]]) -> Iterator[Bgr]:
        for image in images:
            validate_image(image)
            height, width = image.shape[:2]
            sizes.append((height, width))
            yield image
            for left, right in tiles(height, width):
                yield np.ascontiguousarray(image[:, left:right])

    def _merge(self, views: Iterator[Detections], height: int, width: int) -> Detections:
        whole = next(views)
        parts = tiles(height, width)
        if not parts:
            return whole
        boxes, scores = [whole.boxes], [whole.scores]
        cut_boxes, cut_scores = [], []
        for left, right in parts:
            part = next(views)
            placed = part.boxes + np.array((left, 0, left, 0), np.float32)
            margin = _CUT * width
            cut = ((left > 0) & (placed[:, 0] < left + margin)) | (
                (right < width) & (placed[:, 2] > right - margin)
            )
            boxes.append(placed[~cut])
            scores.append(part.scores[~cut])
            cut_boxes.append(placed[cut])
            cut_scores.append(part.scores[cut])
        found = np.concatenate(boxes)
        # A part of a person counts only where no view shows more of them.
        halves = np.concatenate(cut_boxes)
        alone = ~(_covered_share(halves, found) > _COVERED).any(axis=1)
        found = np.concatenate([found, halves[alone]])
        found_scores = np.concatenate([*scores, np.concatenate(cut_scores)[alone]])
        class_ids = np.zeros(len(found), np.int64)
        limit = self._config.max_detections
        kept = suppress(found, found_scores, class_ids, self._config.iou, limit)
        return Detections(found[kept], found_scores[kept], class_ids[kept])


def _covered_share(boxes: Boxes, others: Boxes) -> NDArray[np.float32]:
    """(N, M): which share of each box another one covers."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    share: NDArray[np.float32] = shared_areas(boxes, others) / areas[:, None]
    return share


def tiles(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Left and right edges of the halves of an image, pixels; none of one that is not wide."""
    if width <= WIDE * height:
        return ()
    tile = round(TILE_WIDTH * width)
    return (0, tile), (width - tile, width)
