"""Finds faces so that evidence pictures can be blurred."""

from __future__ import annotations

from hearth_vision.detections import Detections
from hearth_vision.images import Bgr


class HaarFaces:
    """OpenCV's frontal and profile face cascades.

    Args:
        min_size: Smallest face, as a fraction of the picture's shorter side.
    """

    method = "opencv-haar"

    def __init__(self, min_size: float = 0.03) -> None:
        self.min_size = min_size

    def find(self, image: Bgr) -> Detections:
        """Faces on a picture, class 0; the same picture gives the same answer.

        Args:
            image: (H, W, 3) uint8, BGR.
        """
        raise NotImplementedError
