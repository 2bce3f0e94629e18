"""Validates an image array."""

from __future__ import annotations

import numpy as np

from hearth.errors import InvalidInput
from hearth_vision.images import Bgr


def validate_image(image: Bgr) -> None:
    """Reject an array that is not an image.

    Raises:
        InvalidInput: not uint8 of shape (H, W, 3), or without a pixel.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InvalidInput(
            f"an image must be uint8 of shape (H, W, 3), not {image.dtype} of shape {image.shape}"
        )
