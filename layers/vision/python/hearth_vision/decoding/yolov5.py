"""YOLOv5 and YOLOv7: one output (1, N, 5 + classes), three anchors a cell, decoded in the graph.

Columns are centre x, centre y, width and height in model pixels, a sigmoid score for "an object"
and one for each class; an object's score is the product (ultralytics/yolov5, `models/yolo.py`).
Input is RGB, 0..1, padding centred.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hearth_vision.decoding.decoder import Candidates, corners
from hearth_vision.decoding.yolov8 import Yolov8Decoder

ANCHORS = 3
"""Rows a cell."""


class Yolov5Decoder:
    """Reads YOLOv5."""

    method = "yolov5-onnx"
    form = Yolov8Decoder.form

    def at(self, size: tuple[int, int]) -> Yolov5Decoder:
        return self

    def scores(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, 4:]

    def raw_boxes(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, :4]

    def decode(self, output: NDArray[Any], confidence: float) -> Candidates:
        # A product is at most its factor, so the one object score drops nearly every row.
        rows = output[0][output[0, :, 4] >= confidence].astype(np.float32)
        class_ids = rows[:, 5:].argmax(axis=1).astype(np.int64)
        scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + class_ids]
        keep = scores >= confidence
        return corners(rows[keep, :2], rows[keep, 2:4]), scores[keep], class_ids[keep]
