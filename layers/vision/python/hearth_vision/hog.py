"""People without a model file: OpenCV's HOG pedestrian detector and its frontal face cascade.

Dalal and Triggs, "Histograms of oriented gradients for human detection", 2005; Viola and Jones,
"Rapid object detection using a boosted cascade of simple features", 2001. A stand-in: it misses
people who sit, bend or are partly hidden, and sees no equipment.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth.processor import cpu_share
from hearth_vision.detections import Boxes, Detections, Scores
from hearth_vision.haar import STRICT_FRONTAL, Cascade, logistic, ordered
from hearth_vision.image_check import validate_image
from hearth_vision.images import Bgr
from hearth_vision.nms import suppress

if TYPE_CHECKING:
    from hearth_vision.detector import DetectorConfig, DetectorInfo

MAX_SIDE = 640
"""Longer side searched, pixels: the time grows with the area, 45 ms at 512 x 512."""

MIN_SIDE = 256
"""Shorter side searched, pixels: HOG's window is 64 x 128 and needs some room around a person."""

MIN_SCORE = 0.7
"""HOG margins under 0.92 are dropped: on photographs without people they reach 0.7."""

MIN_FACE = 24
"""Pixels; the cascade was trained at 20."""

# A standing person seen from the front is about 7.5 heads tall and 2 to 3 wide (drawing canon);
# the cascade's square runs from forehead to chin and is a little under one head.
_PERSON_WIDTHS = 3.0
_PERSON_HEIGHTS = 7.5
_ABOVE_FACE = 0.4

NOTES = (
    "No model is in force: OpenCV's HOG people detector and Haar face detector stand in, since the "
    "model that Hearth brings was not made (scripts/models)",
    "Scores are a logistic of the detectors' margin, not a probability",
    "A face alone counts as a person, whose box is then estimated from the face",
    "Safety equipment is not detected",
)


class HogDetector:
    """People, class 0.

    Raises:
        ModelFailed: OpenCV came without its face cascade.
    """

    def __init__(self, config: DetectorConfig) -> None:
        from hearth_vision.detector import DetectorInfo

        threads = config.threads or cpu_share()
        cv2.setNumThreads(threads)
        self._config = config
        self._confidence = config.threshold()
        self._hog = cv2.HOGDescriptor()
        weights = np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32)
        self._hog.setSVMDetector(weights)
        self._faces = Cascade(STRICT_FRONTAL)
        self._info = DetectorInfo(
            name="opencv-hog-haar",
            sha256=None,
            method="opencv-hog",
            backend="opencv",
            detail=f"opencv {cv2.__version__}, {threads} threads",
            classes=("person",),
            input_size=None,
            confidence=self._confidence,
            iou=config.iou,
            fallback=True,
            notes=NOTES,
        )

    @property
    def info(self) -> DetectorInfo:
        return self._info

    def detect(self, images: Iterable[Bgr]) -> list[Detections]:
        return [self._detect(image) for image in images]

    def _detect(self, image: Bgr) -> Detections:
        validate_image(image)
        searched, scale = search_size(image)
        people, people_scores = self._people(searched)
        faces, face_scores = self._face_people(searched)
        # A face inside a person whom HOG found is that person's: it can only raise the score.
        for box, score in zip(faces, face_scores, strict=True):
            owner = _owner(face_centre(box), people)
            if owner is None:
                continue
            people_scores[owner] = max(people_scores[owner], score)
        alone = [i for i, box in enumerate(faces) if _owner(face_centre(box), people) is None]
        boxes = np.concatenate([people, faces[alone]])
        scores = np.concatenate([people_scores, face_scores[alone]])
        height, width = image.shape[:2]
        limit = np.array((width, height) * 2, np.float32)
        boxes = np.clip(boxes / np.array(scale * 2, np.float32), 0, limit)
        sure = np.flatnonzero(
            (scores >= self._confidence) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        )
        boxes, scores = boxes[sure], scores[sure]
        class_ids = np.zeros(len(sure), np.int64)
        kept = suppress(boxes, scores, class_ids, self._config.iou, self._config.max_detections)
        return Detections(boxes[kept], scores[kept], class_ids[kept])

    def _people(self, image: Bgr) -> tuple[Boxes, Scores]:
        found, margins = self._hog.detectMultiScale(
            image, winStride=(8, 8), padding=(8, 8), scale=1.05
        )
        boxes, weights = ordered(found, margins)
        scores = hog_score(weights)
        likely = scores >= MIN_SCORE
        return boxes[likely], scores[likely]

    def _face_people(self, image: Bgr) -> tuple[Boxes, Scores]:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        boxes, scores = self._faces.find(grey, MIN_FACE)  # type: ignore[arg-type]
        return person_from_face(boxes), scores


def search_size(image: Bgr) -> tuple[Bgr, tuple[float, float]]:
    """The image at the size to search, and searched pixels for one source pixel, (x, y)."""
    height, width = image.shape[:2]
    factor = min(1.0, MAX_SIDE / max(height, width))
    if min(height, width) * factor < MIN_SIDE:
        factor = min(MIN_SIDE / min(height, width), MAX_SIDE / max(height, width))
    # No side shorter than HOG's window, for an image that is a mere strip.
    new_width, new_height = max(64, round(width * factor)), max(128, round(height * factor))
    if (new_height, new_width) == (height, width):
        return image, (1.0, 1.0)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    searched: Bgr = cv2.resize(image, (new_width, new_height), interpolation=method)  # type: ignore[assignment]
    return searched, (new_width / width, new_height / height)


def hog_score(margins: NDArray[np.float32]) -> Scores:
    """1 / (1 + exp(-(2m - 1))): half a margin scores 0.5."""
    return logistic(2 * margins - 1)


def person_from_face(faces: Boxes) -> Boxes:
    """Where the person of each face would stand; may reach beyond the image.

    Args:
        faces: (N, 4) float32, x1, y1, x2, y2.
    """
    sides = faces[:, 2] - faces[:, 0]
    middles = (faces[:, 0] + faces[:, 2]) / 2
    tops = faces[:, 1] - _ABOVE_FACE * sides
    half = _PERSON_WIDTHS / 2 * sides
    columns = (middles - half, tops, middles + half, tops + _PERSON_HEIGHTS * sides)
    return np.stack(columns, axis=1).astype(np.float32)


def face_centre(person: NDArray[np.float32]) -> tuple[float, float]:
    """Centre of the face that `person_from_face` made this person of."""
    side = (person[2] - person[0]) / _PERSON_WIDTHS
    return float((person[0] + person[2]) / 2), float(person[1] + (_ABOVE_FACE + 0.5) * side)


def _owner(point: tuple[float, float], people: Boxes) -> int | None:
    """The first person, they come best first, whose box holds a point."""
    x, y = point
    for index, (x1, y1, x2, y2) in enumerate(people):
        if x1 <= x <= x2 and y1 <= y <= y2:
            return index
    return None
