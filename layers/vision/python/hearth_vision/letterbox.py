"""Fits a picture of any size into the square, or rectangle, that a model sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth_vision.detections import Boxes
from hearth_vision.images import Bgr

PADDING = 114
"""Grey that fills what the picture leaves free, as in the training of YOLOX and YOLOv8."""


@dataclass(frozen=True, slots=True)
class InputFormat:
    """How a family of models was trained to see pictures.

    Attributes:
        rgb: Channel order R, G, B; otherwise B, G, R.
        scale: Factor from 0..255 to the range that the model expects.
        centred: Padding on both sides; otherwise right and below only.
    """

    rgb: bool
    scale: float
    centred: bool


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture came to lie in the model's input.

    Attributes:
        scale: Model pixels for one source pixel, (x, y); they differ by rounding only.
        offset: Model pixels left of and above the picture, (x, y).
        source: (height, width) of the picture.
    """

    scale: tuple[float, float]
    offset: tuple[int, int]
    source: tuple[int, int]

    def to_source(self, boxes: Boxes) -> Boxes:
        """Boxes in source pixels, clipped to the picture.

        Args:
            boxes: (N, 4) float32, x1, y1, x2, y2 in model pixels.
        """
        offset = np.array(self.offset * 2, np.float32)
        scale = np.array(self.scale * 2, np.float32)
        height, width = self.source
        limit = np.array((width, height) * 2, np.float32)
        mapped: Boxes = np.clip((boxes - offset) / scale, 0, limit)
        return mapped


def fill_letterbox(image: Bgr, out: NDArray[Any], form: InputFormat) -> Placement:
    """Scale a picture, keeping its proportions, and write it into a model's input.

    Args:
        image: (H, W, 3) uint8, BGR.
        out: (1, 3, h, w) float32 or float16; overwritten.
        form: How the model wants its pixels.
    """
    height, width = image.shape[:2]
    model_height, model_width = out.shape[2:]
    ratio = min(model_height / height, model_width / width)
    # A picture of 1 x 10,000 pixels still keeps one line.
    new_width = min(model_width, max(1, round(width * ratio)))
    new_height = min(model_height, max(1, round(height * ratio)))
    if (new_height, new_width) != (height, width):
        image = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    left = (model_width - new_width) // 2 if form.centred else 0
    top = (model_height - new_height) // 2 if form.centred else 0
    if new_height < model_height or new_width < model_width:
        out.fill(PADDING * form.scale)
    inner = out[0, :, top : top + new_height, left : left + new_width]
    # One plane at a time: four times as fast as a transposed copy (0.06 against 0.22 ms at 416).
    planes = cv2.split(image)
    for plane, target in zip(planes[::-1] if form.rgb else planes, inner, strict=True):
        if form.scale == 1:
            target[...] = plane
        else:
            np.multiply(plane, np.float32(form.scale), out=target, casting="same_kind")
    return Placement((new_width / width, new_height / height), (left, top), (height, width))
