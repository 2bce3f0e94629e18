"""What every detector demands of a picture."""

from __future__ import annotations

import numpy as np

from hearth.errors import InvalidInput
from hearth_vision.images import Bgr


def check_picture(image: Bgr) -> None:
    """Refuse what is not a picture.

    Raises:
        InvalidInput: Not uint8 of shape (H, W, 3), or without a pixel.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InvalidInput(
            f"A picture must be uint8 of shape (H, W, 3), not {image.dtype} of shape {image.shape}"
        )
