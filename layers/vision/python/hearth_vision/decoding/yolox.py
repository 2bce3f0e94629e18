"""YOLOX: one output (1, N, 5 + classes), usually relative to a grid of cells.

Columns are x, y, log width, log height, a sigmoid score for "an object" and one for each class;
an object's score is the product (Ge et al., YOLOX, 2021; `demo_postprocess` in Megvii's code).
Some exports place the boxes inside the graph: then the first four are model pixels. Input is BGR,
0..255, padding right and below.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hearth_vision.decoding.decoder import Candidates, cell_grid, corners
from hearth_vision.letterbox import InputFormat


class YoloxDecoder:
    """Reads YOLOX.

    Args:
        height: Of the model's input, pixels.
        width: Likewise.
        in_pixels: The graph has placed the boxes already.
    """

    method = "yolox-onnx"
    form = InputFormat(rgb=False, scale=1.0, centred=False)

    def __init__(self, height: int, width: int, *, in_pixels: bool) -> None:
        self.in_pixels = in_pixels
        self._cells, self._strides = cell_grid(height, width)

    def at(self, size: tuple[int, int]) -> YoloxDecoder:
        return YoloxDecoder(*size, in_pixels=self.in_pixels)

    def scores(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, 4:]

    def raw_boxes(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, :4]

    def decode(self, output: NDArray[Any], confidence: float) -> Candidates:
        rows = output[0]
        # A product is at most its factor, so the one object score drops nearly every row.
        likely = np.flatnonzero(rows[:, 4] >= confidence)
        classes = rows[likely, 5:]
        class_ids = classes.argmax(axis=1).astype(np.int64)
        scores = rows[likely, 4] * classes[np.arange(len(likely)), class_ids]
        keep = scores >= confidence
        found, class_ids, scores = likely[keep], class_ids[keep], scores[keep]
        centres, sizes = rows[found, :2].astype(np.float32), rows[found, 2:4].astype(np.float32)
        if not self.in_pixels:
            strides = self._strides[found]
            centres = (centres + self._cells[found]) * strides
            with np.errstate(over="ignore"):  # infinite sizes are refused by the caller
                sizes = np.exp(sizes) * strides
        return corners(centres, sizes), scores.astype(np.float32), class_ids
