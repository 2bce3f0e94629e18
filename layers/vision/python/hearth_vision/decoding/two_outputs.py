"""Networks that put out boxes and scores apart: RT-DETR, D-FINE, RF-DETR and YOLO-NAS.

The two are joined to one tensor (1, N, 4 + classes), which one decoder reads.

| family | outputs, in this order | boxes | scores | input |
|---|---|---|---|---|
| RT-DETR, D-FINE (Hugging Face) | logits, boxes | centre and size, 0..1 | logits | RGB 0..1 |
| RF-DETR | boxes, logits | centre and size, 0..1 | logits | RGB, ImageNet's mean and deviation |
| YOLO-NAS | boxes, scores | corners, pixels | 0..1 | BGR 0..1 |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hearth_vision.decoding.decoder import Candidates, corners
from hearth_vision.letterbox import InputFormat

TwoOutputs = Literal["detr", "rf-detr", "yolo-nas"]
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_METHODS = {"detr": "detr-onnx", "rf-detr": "rf-detr-onnx", "yolo-nas": "yolo-nas-onnx"}
FORMS = {
    "detr": InputFormat(rgb=True, scale=1 / 255, centred=True),
    "rf-detr": InputFormat(
        rgb=True, scale=1 / 255, centred=True, mean=_IMAGENET[0], deviation=_IMAGENET[1]
    ),
    "yolo-nas": InputFormat(rgb=False, scale=1 / 255, centred=True),
}


def two_outputs(shapes: Sequence[tuple[int | None, ...]], cells: int) -> TwoOutputs | None:
    """The family of a network with two outputs; None where it is none of these.

    Args:
        shapes: Of the outputs; None where a dimension is unknown.
        cells: Rows that a plain detector would have.
    """
    if len(shapes) != 2 or any(len(shape) != 3 for shape in shapes):
        return None
    first, second = shapes
    if first[1] != second[1] or 4 not in (first[2], second[2]):
        return None
    if first[1] == cells:
        return "yolo-nas" if first[2] == 4 else None
    # With four classes both have four columns; the exports differ in their order.
    return "detr" if second[2] == 4 else "rf-detr"


def class_count(shapes: Sequence[tuple[int | None, ...]], family: TwoOutputs) -> int:
    """How many classes the scores are for; 0 where the shape does not tell."""
    return shapes[0 if family == "detr" else 1][2] or 0


def join(outputs: Sequence[NDArray[Any]], cells: int) -> NDArray[Any]:
    """One tensor of a network's outputs: of two boxes and scores, the scores as 0..1."""
    family = two_outputs([output.shape for output in outputs], cells)
    if family is None:
        return outputs[0]
    boxes, scores = outputs if family != "detr" else (outputs[1], outputs[0])
    if family != "yolo-nas":
        scores = 1 / (1 + np.exp(-np.clip(scores.astype(np.float32), -60, 60)))
    return np.concatenate([boxes.astype(np.float32), scores], axis=2)


class TwoOutputsDecoder:
    """Reads what `join` made.

    Args:
        size: (height, width) of the model's input, pixels.
    """

    def __init__(self, family: TwoOutputs, size: tuple[int, int]) -> None:
        self.family = family
        self.method = _METHODS[family]
        self.form = FORMS[family]
        self._size = size

    def at(self, size: tuple[int, int]) -> TwoOutputsDecoder:
        return TwoOutputsDecoder(self.family, size)

    def scores(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, 4:]

    def raw_boxes(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, :4]

    def decode(self, output: NDArray[Any], confidence: float) -> Candidates:
        best = output[0, :, 4:].max(axis=1)
        rows = output[0][best >= confidence].astype(np.float32)
        class_ids = rows[:, 4:].argmax(axis=1).astype(np.int64)
        boxes = rows[:, :4]
        if self.family != "yolo-nas":
            height, width = self._size
            boxes = boxes * np.array((width, height) * 2, np.float32)
            boxes = corners(boxes[:, :2], boxes[:, 2:])
        return boxes, best[best >= confidence].astype(np.float32), class_ids
