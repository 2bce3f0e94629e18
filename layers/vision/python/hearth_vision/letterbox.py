"""Fits an image of any size into the rectangle that a model sees."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hearth_vision.detections import Boxes
from hearth_vision.images import Bgr

PADDING = 114
"""Grey that fills what the image leaves free, as in the training of YOLOX and YOLOv8."""

STRIDE = 32
"""Pixels: every side of a detector's input is a multiple of its coarsest level's cells."""


@dataclass(frozen=True, slots=True)
class InputFormat:
    """Input format that a family of models was trained on.

    Attributes:
        rgb: Channel order R, G, B; otherwise B, G, R.
        scale: Factor from 0..255 to the range that the model expects.
        centred: Padding on both sides; otherwise right and below only.
        mean, deviation: Subtracted after scaling, and divided by, for each channel.
    """

    rgb: bool
    scale: float
    centred: bool
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Placement:
    """Position of an image in the model's input.

    Attributes:
        scale: Model pixels for one source pixel, (x, y); they differ by rounding only.
        offset: Model pixels left of and above the image, (x, y).
        source: (height, width) of the image.
    """

    scale: tuple[float, float]
    offset: tuple[int, int]
    source: tuple[int, int]

    def to_source(self, boxes: Boxes) -> Boxes:
        """Boxes in source pixels, clipped to the image.

        Args:
            boxes: (N, 4) float32, x1, y1, x2, y2 in model pixels.
        """
        offset = np.array(self.offset * 2, np.float32)
        scale = np.array(self.scale * 2, np.float32)
        height, width = self.source
        limit = np.array((width, height) * 2, np.float32)
        mapped: Boxes = np.clip((boxes - offset) / scale, 0, limit)
        return mapped


def rectangle(image_size: tuple[int, int], bounds: tuple[int, int]) -> tuple[int, int]:
    """The smallest input that holds an image scaled to fit `bounds`: it needs the least padding.

    A 640 x 480 camera costs a quarter less than in a square, one of 16:9 two fifths less.

    Args:
        image_size: (height, width).
        bounds: (height, width) that a square, or the model's own size, would have.

    Returns:
        (height, width), each a multiple of `STRIDE` and at most `bounds` rounded up to one.
    """
    height, width = _scaled(image_size, bounds)
    return _rounded_up(height), _rounded_up(width)


def _rounded_up(side: int) -> int:
    return -(-side // STRIDE) * STRIDE


def _scaled(image_size: tuple[int, int], bounds: tuple[int, int]) -> tuple[int, int]:
    height, width = image_size
    ratio = min(bounds[0] / height, bounds[1] / width)
    # An image of 1 x 10,000 pixels still keeps one line.
    return (
        min(bounds[0], max(1, round(height * ratio))),
        min(bounds[1], max(1, round(width * ratio))),
    )


def letterbox(image: Bgr, size: tuple[int, int], *, centred: bool) -> tuple[Bgr, Placement]:
    """Scale an image, keeping its proportions, and pad it with grey.

    Args:
        image: (H, W, 3) uint8, BGR.
        size: (height, width) to fill.
        centred: Padding on both sides; otherwise right and below only.

    Returns:
        (height, width, 3) uint8, BGR, which is `image` itself where it fits exactly; and where the
        image lies in it.
    """
    source = image.shape[0], image.shape[1]
    height, width = _scaled(source, size)
    if (height, width) != source:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    below, right = size[0] - height, size[1] - width
    top, left = (below // 2, right // 2) if centred else (0, 0)
    if below or right:
        image = cv2.copyMakeBorder(  # type: ignore[assignment]
            image,
            top,
            below - top,
            left,
            right - left,
            cv2.BORDER_CONSTANT,
            value=(PADDING, PADDING, PADDING),
        )
    return image, Placement((width / source[1], height / source[0]), (left, top), source)
