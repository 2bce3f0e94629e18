"""Finds faces so that evidence images can be blurred."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from hearth.errors import ModelFailed
from hearth.processor import cpu_share
from hearth_vision.default_models import FACES
from hearth_vision.detections import Boxes, Detections, Scores
from hearth_vision.haar import FRONTAL, PROFILE, Cascade, Grey
from hearth_vision.image_check import validate_image
from hearth_vision.images import Bgr
from hearth_vision.nms import suppress

if TYPE_CHECKING:
    from hearth_vision.centerface import CenterFace

MAX_SIDE = 640
"""Longer side searched, pixels. The time grows with the area; for smaller faces look again at
enlarged parts of the image, where people are."""

_MIN_TRAINED = 20
"""Pixels; the cascades cannot see a smaller face."""


def load_center_face(models: Path, threads: int | None = None) -> CenterFace:
    """CenterFace, from the folder of the models that Hearth brings.

    Args:
        models: The folder.
        threads: For one image; None means this process's share of the processors.

    Raises:
        ModelFailed: It was not made, or its file is another one or broken.
    """
    path = FACES.find(models)
    if path is None:
        raise ModelFailed(f"{FACES.name}.onnx does not exist in {models}; run scripts/models")
    # Imported here: where OpenVINO finds the people, nothing else needs ONNX Runtime.
    from hearth_vision.centerface import CenterFace

    return CenterFace(path, threads or cpu_share())


class HaarFaces:
    """OpenCV's frontal and profile face cascades; profiles to both sides.

    Everything that they report is kept, unsure ones too: to blur a wall costs less than to show a
    face. They miss faces that are turned away, tilted or covered, so "0 faces" is no promise.

    Args:
        min_size: Smallest face, as a fraction of the image's shorter side.

    Raises:
        ModelFailed: OpenCV came without the cascades.
    """

    method = "opencv-haar"

    def __init__(self, min_size: float = 0.03) -> None:
        if not 0 < min_size <= 1:
            raise ValueError(f"min_size must be above 0 and at most 1, not {min_size}")
        self.min_size = min_size
        self._frontal = Cascade(FRONTAL)
        self._profile = Cascade(PROFILE)

    def find(self, image: Bgr) -> Detections:
        """Faces on an image, class 0; the same image gives the same answer.

        Args:
            image: (H, W, 3) uint8, BGR.

        Raises:
            InvalidInput: Not such an array.
        """
        validate_image(image)
        height, width = image.shape[:2]
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        scale = min(1.0, MAX_SIDE / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        # Evens out light and shadow, which the cascades were trained without.
        grey = cv2.equalizeHist(grey)
        side = max(_MIN_TRAINED, round(self.min_size * min(grey.shape)))
        found = [
            self._frontal.find(grey, side),  # type: ignore[arg-type]
            self._profile.find(grey, side),  # type: ignore[arg-type]
            self._mirrored(grey, side),  # type: ignore[arg-type]
        ]
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        ratio = np.array((grey.shape[1] / width, grey.shape[0] / height) * 2, np.float32)
        boxes = np.clip(boxes / ratio, 0, np.array((width, height) * 2, np.float32))
        class_ids = np.zeros(len(scores), np.int64)
        kept = suppress(boxes, scores, class_ids, iou=0.3, limit=100)
        return Detections(boxes[kept], scores[kept], class_ids[kept])

    def _mirrored(self, grey: Grey, side: int) -> tuple[Boxes, Scores]:
        """Profiles that look the other way than those of the training set."""
        width = grey.shape[1]
        mirrored = np.ascontiguousarray(grey[:, ::-1])
        boxes, scores = self._profile.find(mirrored, side)
        boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        return boxes, scores
