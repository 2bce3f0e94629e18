"""Recognizes a network's family by its output, and rejects unknown ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed
from hearth_vision.coco import COCO
from hearth_vision.decoding.decoder import Decoder, cell_grid, count_cells
from hearth_vision.decoding.end_to_end import EndToEndDecoder, is_end_to_end
from hearth_vision.decoding.two_outputs import (
    FORMS,
    TwoOutputs,
    TwoOutputsDecoder,
    class_count,
    two_outputs,
)
from hearth_vision.decoding.yolov5 import ANCHORS, Yolov5Decoder
from hearth_vision.decoding.yolov8 import Yolov8Decoder
from hearth_vision.decoding.yolox import YoloxDecoder
from hearth_vision.letterbox import InputFormat

_MAX_DRIFT = 8.0
"""Cells between a box's centre and its cell: at most 7.5 in YOLOv8 (16 distance bins), and about
half a cell in YOLOX. More means that the numbers are no centres."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Output layout of a network at one input size.

    Attributes:
        model: Name, for messages.
        size: (height, width) of the input, pixels.
        shapes: Of its outputs; None where a dimension is unknown.
        classes: Class names; may be empty.
    """

    model: str
    size: tuple[int, int]
    shapes: Sequence[tuple[int | None, ...]]
    classes: tuple[str, ...]


Family = Literal["yolov5", "yolov8", "yolov8-transposed", "yolox", "end-to-end"] | TwoOutputs


def family_of(layout: Layout) -> Family:
    """Which family a network belongs to.

    Raises:
        ModelFailed: The output is of no known family, or does not fit the class names.
    """
    height, width = layout.size
    cells = count_cells(layout.size)
    shape = layout.shapes[0] if layout.shapes else ()
    if (apart := two_outputs(layout.shapes, cells)) is not None:
        _check_count(layout, class_count(layout.shapes, apart))
        return apart
    if len(layout.shapes) == 1 and len(shape) == 3 and shape[:2] == (1, ANCHORS * cells):
        _check_count(layout, (shape[2] or 0) - 5)
        return "yolov5"
    if len(layout.shapes) == 1 and is_end_to_end(shape, cells):
        return "end-to-end"
    if len(layout.shapes) != 1 or len(shape) != 3 or shape[0] != 1 or cells not in shape[1:]:
        raise ModelFailed(
            f"model {layout.model}: outputs have the shapes {list(layout.shapes)}, but one output "
            f"of shape (1, 4 + classes, {cells}) for YOLOv8 and YOLO11, or (1, {cells}, "
            f"5 + classes) for YOLOX, or (1, {ANCHORS * cells}, 5 + classes) for YOLOv5, or "
            f"(1, detections, 6) with suppression inside, or boxes (1, N, 4) and scores "
            f"(1, N, classes) for RT-DETR, D-FINE, RF-DETR and YOLO-NAS, is expected "
            f"at {width} x {height}; export the detector without masks or other outputs"
        )
    rows, columns = shape[1] or 0, shape[2] or 0
    if columns == cells:
        _check_count(layout, rows - 4)
        return "yolov8"
    if len(layout.classes) == columns - 4:
        return "yolov8-transposed"
    _check_count(layout, columns - 5)
    return "yolox"


def input_format(layout: Layout) -> InputFormat:
    """Input format of a network's family.

    Raises:
        ModelFailed: As `family_of`.
    """
    family = family_of(layout)
    if family in FORMS:
        return FORMS[family]
    return YoloxDecoder.form if family == "yolox" else Yolov8Decoder.form


def choose_decoder(layout: Layout, output: NDArray[Any]) -> Decoder:
    """The decoder for a network, which has put out `output` for some image.

    Raises:
        ModelFailed: As `family_of`.
    """
    family = family_of(layout)
    if family == "end-to-end":
        return EndToEndDecoder(layout.model, len(layout.classes))
    if family == "detr" or family == "rf-detr" or family == "yolo-nas":
        return TwoOutputsDecoder(family, layout.size)
    if family == "yolov5":
        return Yolov5Decoder()
    if family == "yolox":
        pixels, relative = drift(output[0], layout.size)
        return YoloxDecoder(*layout.size, in_pixels=pixels < relative)
    return Yolov8Decoder(transposed=family == "yolov8-transposed")


def _check_count(layout: Layout, classes: int) -> None:
    names = len(layout.classes)
    if classes < 1:
        raise ModelFailed(
            f"model {layout.model}: an output of shape {layout.shapes[0]} leaves no room "
            f"for a class"
        )
    if names == 0:
        raise ModelFailed(
            f"model {layout.model}: it has {classes} classes and its file names none; "
            f"give {classes} class names"
            + (", or coco for those of COCO" if classes == len(COCO) else "")
        )
    if names != classes:
        raise ModelFailed(
            f"model {layout.model}: it has {classes} classes, but {names} class names are given; "
            f"give {classes}, in the order of training"
        )


def _check_span(model: str, boxes: NDArray[Any], size: tuple[int, int]) -> None:
    """Reject centres that do not spread over the input, in pixels."""
    spread = np.percentile(boxes[:, :2].astype(np.float64), 95, axis=0)
    height, width = size
    if not (0.5 * width < spread[0] < 2 * width and 0.5 * height < spread[1] < 2 * height):
        raise ModelFailed(
            f"model {model}: box centres do not spread over {width} x {height} pixels; export "
            f"boxes in pixels of the model's input"
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


def check_centres(
    model: str, decoder: Decoder, output: NDArray[Any], size: tuple[int, int]
) -> None:
    """Reject boxes that lie nowhere near the cells that predict them.

    Raises:
        ModelFailed: Boxes are normalised to 0..1, say, or no boxes at all.
    """
    if isinstance(decoder, TwoOutputsDecoder):
        boxes = decoder.raw_boxes(output)
        if decoder.family != "yolo-nas" and not (np.abs(boxes - 0.5) < 1.5).all():
            raise ModelFailed(
                f"model {model}: boxes run beyond 0..1; export boxes as centre and size in "
                f"fractions of the input, as the family's own export does"
            )
        return
    if isinstance(decoder, Yolov5Decoder):
        _check_span(model, decoder.raw_boxes(output), size)
        return
    pixels, relative = drift(decoder.raw_boxes(output), size)
    found = pixels
    if isinstance(decoder, YoloxDecoder) and not decoder.in_pixels:
        found = relative
    if not found <= _MAX_DRIFT:
        raise ModelFailed(
            f"model {model}: box centres lie {found:.1f} cells (median) from the cells that "
            f"predict them, at most {_MAX_DRIFT:g} make sense; export boxes in pixels of the "
            f"model's input"
        )
