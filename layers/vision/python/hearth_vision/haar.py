"""OpenCV's Haar face cascades, as shipped with OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed
from hearth_vision.detections import Boxes, Scores

Grey = NDArray[np.uint8]

_MIN_NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class CascadeFile:
    """One trained cascade.

    Attributes:
        name: File name, as OpenCV ships it.
        even: Weight of the last stage that scores 0.5: score = 1 / (1 + exp(-(weight - even))).
        step: Factor between the sizes that are searched; the time grows as it nears 1.
    """

    name: str
    even: float
    step: float = 1.1


STRICT_FRONTAL = CascadeFile("haarcascade_frontalface_alt2.xml", even=55.0)
"""Few false faces. On scikit-image's astronaut, at 11 sizes and four JPEG qualities, weights are
56.1 to 56.7; on its 12 photographs without a face it reports nothing. (The default cascade gives
4.0 to 6.9 and 3.5 on coins, so no threshold of it holds.)"""

FRONTAL = CascadeFile("haarcascade_frontalface_default.xml", even=4.5, step=1.2)
"""Finds more, and more that is no face."""

PROFILE = CascadeFile("haarcascade_profileface.xml", even=4.5, step=1.2)
"""Faces that look to the image's left; for those to the right, mirror the image."""


class Cascade:
    """A cascade at work.

    Raises:
        ModelFailed: This OpenCV was built without it.
    """

    def __init__(self, file: CascadeFile) -> None:
        self._even = file.even
        self._step = file.step
        path = Path(cv2.data.haarcascades) / file.name  # type: ignore[attr-defined]
        self._classifier = cv2.CascadeClassifier()
        if not path.is_file() or not self._classifier.load(str(path)):
            raise ModelFailed(f"OpenCV {cv2.__version__} came without its cascade {file.name}")

    def find(self, grey: Grey, min_side: int) -> tuple[Boxes, Scores]:
        """Faces, in an order that does not depend on OpenCV's threads.

        Args:
            grey: (H, W) uint8.
            min_side: Smallest face, pixels.

        Returns:
            (N, 4) float32 x1, y1, x2, y2, and (N,) float32 scores, which are no probabilities.
        """
        rectangles, _, weights = self._classifier.detectMultiScale3(
            grey,
            scaleFactor=self._step,
            minNeighbors=_MIN_NEIGHBOURS,
            minSize=(min_side, min_side),
            outputRejectLevels=True,
        )
        boxes, found = ordered(rectangles, weights)
        return boxes, logistic(found - self._even)


def ordered(rectangles: Any, weights: Any) -> tuple[Boxes, NDArray[np.float32]]:
    """Corners and weights, the highest weight first, then by place.

    OpenCV's detectors append from several threads, so their own order varies between runs.

    Args:
        rectangles: (N, 4) x, y, width, height; an empty tuple where nothing was found.
        weights: (N,) or (N, 1).
    """
    boxes = np.asarray(rectangles, np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    flat = np.asarray(weights, np.float32).reshape(-1)
    order = np.lexsort((*boxes.T, -flat))
    return boxes[order], flat[order]


def logistic(values: NDArray[np.float32]) -> Scores:
    """1 / (1 + exp(-x))."""
    scores: Scores = (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)
    return scores
