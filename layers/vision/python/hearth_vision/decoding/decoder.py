"""The decoder port, and the grid of cells that both families predict from."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hearth_vision.detections import Boxes, ClassIds, Scores
from hearth_vision.letterbox import InputFormat

STRIDES = (8, 16, 32)
"""Model pixels a cell, for the three levels of every YOLOX, YOLOv8 and YOLO11 detector."""

Candidates = tuple[Boxes, Scores, ClassIds]
"""(M, 4) float32 x1, y1, x2, y2 in model pixels; (M,) float32; (M,) int64."""


class Decoder(Protocol):
    """Reads one family's output."""

    method: str
    form: InputFormat

    def at(self, size: tuple[int, int]) -> Decoder:
        """The same for another input size, (height, width)."""
        ...

    def scores(self, output: NDArray[Any]) -> NDArray[Any]:
        """Every score that the network gave, for the check at load; any shape."""
        ...

    def raw_boxes(self, output: NDArray[Any]) -> NDArray[Any]:
        """(N, 4) what the network gave for boxes, centre x and y first."""
        ...

    def decode(self, output: NDArray[Any], confidence: float) -> Candidates:
        """Boxes that score at least `confidence`, before suppression.

        Args:
            output: The network's only output, of the shape that the decoder was made for.
            confidence: 0..1.
        """
        ...


def count_cells(size: tuple[int, int]) -> int:
    """Cells of all levels at an input of (height, width) pixels."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)


def cell_grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The cells of all levels in the order of the network's rows.

    Args:
        height: Of the model's input, pixels.
        width: Likewise.

    Returns:
        (N, 2) float32 column and row of each cell; (N, 1) float32 stride, pixels.
    """
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
        level = np.stack([columns.ravel(), rows.ravel()], axis=1)
        cells.append(level)
        strides.append(np.full((len(level), 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def corners(centres: NDArray[np.float32], sizes: NDArray[np.float32]) -> Boxes:
    """x1, y1, x2, y2 from centres (M, 2) and widths and heights (M, 2)."""
    half = sizes / np.float32(2)
    return np.concatenate([centres - half, centres + half], axis=1)
