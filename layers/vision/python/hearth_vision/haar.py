"""OpenCV's Haar face cascades, as shipped with OpenCV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed

Grey = NDArray[np.uint8]

FRONTAL = "haarcascade_frontalface_default.xml"
PROFILE = "haarcascade_profileface.xml"

_SCALE_STEP = 1.1
_MIN_NEIGHBOURS = 5


class Cascade:
    """One trained cascade.

    Raises:
        ModelFailed: This OpenCV was built without it.
    """

    def __init__(self, file: str) -> None:
        path = Path(cv2.data.haarcascades) / file  # type: ignore[attr-defined]
        self._classifier = cv2.CascadeClassifier()
        if not path.is_file() or not self._classifier.load(str(path)):
            raise ModelFailed(f"OpenCV {cv2.__version__} came without its face cascade {file}")

    def find(self, grey: Grey, min_side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Faces, in an order that does not depend on OpenCV's threads.

        Args:
            grey: (H, W) uint8.
            min_side: Smallest face, pixels.

        Returns:
            (N, 4) float32 x1, y1, x2, y2, and (N,) float32 weights of the last stage passed.
        """
        rectangles, _, weights = self._classifier.detectMultiScale3(
            grey,
            scaleFactor=_SCALE_STEP,
            minNeighbors=_MIN_NEIGHBOURS,
            minSize=(min_side, min_side),
            outputRejectLevels=True,
        )
        return ordered(rectangles, weights)


def ordered(rectangles: Any, weights: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
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
