"""Tells from a network's output which family it belongs to, and refuses what it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed
from hearth_vision.decoding.decoder import STRIDES, Decoder, cell_grid
from hearth_vision.decoding.end_to_end import EndToEndDecoder, is_end_to_end
from hearth_vision.decoding.yolov8 import Yolov8Decoder
from hearth_vision.decoding.yolox import YoloxDecoder

_MAX_DRIFT = 8.0
"""Cells between a box's centre and its cell: at most 7.5 in YOLOv8 (16 distance bins), and about
half a cell in YOLOX. More means that the numbers are no centres."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A network's output as seen.

    Attributes:
        model: Name, for messages.
        size: (height, width) of the input, pixels.
        outputs: What one run gave.
        classes: Class names; may be empty.
    """

    model: str
    size: tuple[int, int]
    outputs: list[NDArray[Any]]
    classes: tuple[str, ...]


def choose_decoder(layout: Layout) -> Decoder:
    """The decoder for a network.

    Raises:
        ModelFailed: The output is of no known family, or does not fit the class names.
    """
    height, width = layout.size
    cells = sum((height // stride) * (width // stride) for stride in STRIDES)
    shapes = [output.shape for output in layout.outputs]
    shape = shapes[0] if shapes else ()
    if len(shapes) == 1 and is_end_to_end(shape, cells):
        return EndToEndDecoder(layout.model, len(layout.classes))
    if len(shapes) != 1 or len(shape) != 3 or shape[0] != 1 or cells not in shape[1:]:
        raise ModelFailed(
            f"Model {layout.model}: outputs have the shapes {shapes}, but one output of shape "
            f"(1, 4 + classes, {cells}) for YOLOv8 and YOLO11, or (1, {cells}, 5 + classes) for "
            f"YOLOX, or (1, detections, 6) with suppression inside, is expected at {width} x "
            f"{height}; export the detector without masks or other outputs"
        )
    names = len(layout.classes)
    if shape[2] == cells:
        _check_count(layout, shape[1] - 4)
        return Yolov8Decoder()
    if names == shape[2] - 4:
        return Yolov8Decoder(transposed=True)
    _check_count(layout, shape[2] - 5)
    return YoloxDecoder(height, width, in_pixels=_in_pixels(layout))


def _check_count(layout: Layout, classes: int) -> None:
    names = len(layout.classes)
    if classes < 1:
        raise ModelFailed(
            f"Model {layout.model}: an output of shape {layout.outputs[0].shape} leaves no room "
            f"for a class"
        )
    if names == 0:
        raise ModelFailed(
            f"Model {layout.model}: it has {classes} classes and its file names none; "
            f"give {classes} class names"
        )
    if names != classes:
        raise ModelFailed(
            f"Model {layout.model}: it has {classes} classes, but {names} class names are given; "
            f"give {classes}, in the order of training"
        )


def drift(boxes: NDArray[Any], size: tuple[int, int]) -> tuple[float, float]:
    """How far box centres lie from their cells, in cells: the median over all boxes.

    Args:
        boxes: (N, 4), centre x and y first.
        size: (height, width) of the model's input.

    Returns:
        If the centres are model pixels; if they are relative to the cell.
    """
    cells, strides = cell_grid(*size)
    centres = boxes[:, :2].astype(np.float64)
    pixels = np.abs(centres / strides - cells - 0.5)
    relative = np.abs(centres - 0.5)
    return float(np.median(pixels)), float(np.median(relative))


def _in_pixels(layout: Layout) -> bool:
    pixels, relative = drift(layout.outputs[0][0], layout.size)
    return pixels < relative


def check_centres(
    model: str, decoder: Decoder, output: NDArray[Any], size: tuple[int, int]
) -> None:
    """Refuse boxes that lie nowhere near the cells that predict them.

    Raises:
        ModelFailed: Boxes are normalised to 0..1, say, or no boxes at all.
    """
    pixels, relative = drift(decoder.raw_boxes(output), size)
    found = pixels
    if isinstance(decoder, YoloxDecoder) and not decoder.in_pixels:
        found = relative
    if not found <= _MAX_DRIFT:
        raise ModelFailed(
            f"Model {model}: box centres lie {found:.1f} cells (median) from the cells that "
            f"predict them, at most {_MAX_DRIFT:g} make sense; export boxes in pixels of the "
            f"model's input"
        )
