"""YOLOv8 and YOLO11: one output (1, 4 + classes, N), or transposed, decoded inside the graph.

Rows are centre x, centre y, width and height in model pixels, then a sigmoid score for each
class. Input is RGB, 0..1, padding centred.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hearth_vision.decoding.decoder import Candidates, corners
from hearth_vision.letterbox import InputFormat


class Yolov8Decoder:
    """Args: transposed: The output is (1, N, 4 + classes)."""

    method = "yolov8-onnx"
    form = InputFormat(rgb=True, scale=1 / 255, centred=True)

    def __init__(self, *, transposed: bool = False) -> None:
        self._transposed = transposed

    def at(self, size: tuple[int, int]) -> Yolov8Decoder:
        return self

    def _rows(self, output: NDArray[Any]) -> NDArray[Any]:
        rows: NDArray[Any] = output[0].T if self._transposed else output[0]
        return rows

    def scores(self, output: NDArray[Any]) -> NDArray[Any]:
        return self._rows(output)[4:]

    def raw_boxes(self, output: NDArray[Any]) -> NDArray[Any]:
        return self._rows(output)[:4].T

    def decode(self, output: NDArray[Any], confidence: float) -> Candidates:
        rows = self._rows(output)
        # The best class first, over whole rows; boxes only of what is left after it.
        best = rows[4:].max(axis=0)
        found = np.flatnonzero(best >= confidence)
        rows = rows[:, found].astype(np.float32)
        class_ids = rows[4:].argmax(axis=0).astype(np.int64)
        return corners(rows[:2].T, rows[2:4].T), best[found].astype(np.float32), class_ids
