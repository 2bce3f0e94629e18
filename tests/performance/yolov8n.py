"""A network of YOLOv8n's shape with random weights, for measuring speed: it finds nothing real.

Written from public descriptions of the architecture (3.2 M parameters; 8.7 GFLOP at
640 x 640): CSP backbone of C2f blocks, SPPF, a path-aggregation neck, and a head
for each of three strides with 16 distance bins a side. Height and width are free: the grid of
cells is made in the graph from the levels' own shapes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BINS = 16
STRIDES = (8, 16, 32)


class _Graph:
    """Collects nodes and weights; every method returns the name of a tensor."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(
        self,
        x: str,
        channels: int,
        into: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        gain: float = 1.6,
        bias: float = 0.0,
    ) -> str:
        # This gain keeps the variance through SiLU, so that activations look like a trained
        # network's.
        scale = gain / np.sqrt(channels * kernel * kernel)
        weights = self._random.normal(0, scale, (into, channels, kernel, kernel))
        return str(
            self.op(
                "Conv",
                x,
                self.constant(weights, np.float32),
                self.constant(np.full(into, bias), np.float32),
                kernel_shape=[kernel, kernel],
                strides=[stride, stride],
                pads=[kernel // 2] * 4,
            )
        )

    def silu(self, x: str, channels: int, into: int, kernel: int = 1, stride: int = 1) -> str:
        y = self.conv(x, channels, into, kernel, stride)
        return str(self.op("Mul", y, self.op("Sigmoid", y)))

    def c2f(self, x: str, channels: int, into: int, blocks: int, shortcut: bool) -> str:
        half = into // 2
        first = self.silu(x, channels, into)
        parts = self.op("Split", first, self.constant([half, half]), outputs=2, axis=1)
        for _ in range(blocks):
            y = self.silu(self.silu(parts[-1], half, half, 3), half, half, 3)
            parts.append(self.op("Add", parts[-1], y) if shortcut else y)
        joined = self.op("Concat", *parts, axis=1)
        return self.silu(joined, half * len(parts), into)

    def sppf(self, x: str, channels: int) -> str:
        parts = [self.silu(x, channels, channels // 2)]
        for _ in range(3):
            parts.append(
                self.op(
                    "MaxPool", parts[-1], kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2]
                )
            )
        return self.silu(self.op("Concat", *parts, axis=1), channels * 2, channels)

    def doubled(self, x: str) -> str:
        scales = self.constant([1, 1, 2, 2], np.float32)
        return str(
            self.op(
                "Resize",
                x,
                "",
                scales,
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        )


def save(
    path: Path,
    classes: tuple[str, ...],
    *,
    seed: int = 0,
    class_bias: float = 0.0,
    size: tuple[int, int] | None = None,
) -> Path:
    """Write the network.

    Args:
        path: Of the ONNX file.
        classes: Their names.
        class_bias: Added to every class's logit: how many boxes score high.
        size: (height, width) of the input; None leaves both free.
    """
    g = _Graph(seed)
    x = g.silu(g.silu("images", 3, 16, 3, 2), 16, 32, 3, 2)
    x = g.silu(g.c2f(x, 32, 32, 1, True), 32, 64, 3, 2)
    fine = g.c2f(x, 64, 64, 2, True)
    middle = g.c2f(g.silu(fine, 64, 128, 3, 2), 128, 128, 2, True)
    coarse = g.c2f(g.silu(middle, 128, 256, 3, 2), 256, 256, 1, True)
    coarse = g.sppf(coarse, 256)
    middle = g.c2f(g.op("Concat", g.doubled(coarse), middle, axis=1), 384, 128, 1, False)
    fine = g.c2f(g.op("Concat", g.doubled(middle), fine, axis=1), 192, 64, 1, False)
    down = g.silu(fine, 64, 64, 3, 2)
    middle = g.c2f(g.op("Concat", down, middle, axis=1), 192, 128, 1, False)
    down = g.silu(middle, 128, 128, 3, 2)
    coarse = g.c2f(g.op("Concat", down, coarse, axis=1), 384, 256, 1, False)
    count = len(classes)
    boxes, scores, cells, strides = [], [], [], []
    for x, channels, stride in ((fine, 64, 8), (middle, 128, 16), (coarse, 256, 32)):
        y = g.silu(g.silu(x, channels, 64, 3), 64, 64, 3)
        flat = g.constant([1, 4 * BINS, -1])
        boxes.append(g.op("Reshape", g.conv(y, 64, 4 * BINS, gain=1.0), flat))
        width = max(64, min(count, 100))
        y = g.silu(g.silu(x, channels, width, 3), width, width, 3)
        y = g.conv(y, width, count, gain=1.0, bias=class_bias)
        scores.append(g.op("Reshape", y, g.constant([1, count, -1])))
        grid = _cells(g, x)
        cells.append(grid)
        strides.append(
            g.op(
                "Add",
                g.op(
                    "Mul",
                    g.op("Slice", grid, g.constant([0]), g.constant([1]), g.constant([0])),
                    g.constant(0, np.float32),
                ),
                g.constant(stride, np.float32),
            )
        )
    # Distances: the mean of 16 bins, each side's weights a softmax.
    bins = g.op("Reshape", g.op("Concat", *boxes, axis=2), g.constant([1, 4, BINS, -1]))
    weights = g.op(
        "Transpose",
        g.op("Softmax", g.op("Transpose", bins, perm=[0, 3, 1, 2]), axis=3),
        perm=[0, 3, 2, 1],
    )
    ramp = g.constant(np.arange(BINS).reshape(1, BINS, 1, 1), np.float32)
    far = g.op("Conv", weights, g.op("Reshape", ramp, g.constant([1, BINS, 1, 1])))
    far = g.op("Reshape", far, g.constant([1, 4, -1]))
    near, beyond = g.op("Split", far, g.constant([2, 2]), outputs=2, axis=1)
    centres = g.op("Concat", *cells, axis=1)
    corner, opposite = g.op("Sub", centres, near), g.op("Add", centres, beyond)
    middle = g.op("Mul", g.op("Add", corner, opposite), g.constant(0.5, np.float32))
    placed = g.op("Concat", middle, g.op("Sub", opposite, corner), axis=1)
    scale = g.op("Concat", *strides, axis=1)
    g.nodes.append(
        helper.make_node(
            "Concat",
            [
                g.op("Mul", placed, scale),
                g.op("Sigmoid", g.op("Concat", *scores, axis=2)),
            ],
            ["output"],
            axis=1,
        )
    )
    free: list[Any] = [1, 3, *(size or ("height", "width"))]
    graph = helper.make_graph(
        g.nodes,
        "yolov8n",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, free)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 4 + count, "cells"])],
        g.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    names = dict(enumerate(classes))
    helper.set_model_props(model, {"names": str(names), "imgsz": "[640, 640]", "task": "detect"})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _cells(g: _Graph, level: str) -> str:
    """(2, cells) column and row of each cell's middle, row by row."""
    shape = g.op("Shape", level)
    sides = [g.op("Gather", shape, g.constant(axis), axis=0) for axis in (3, 2)]
    along = []
    for side in sides:
        steps = g.op("Range", g.constant(0), side, g.constant(1))
        steps = g.op("Cast", steps, to=TensorProto.FLOAT)
        along.append(g.op("Add", steps, g.constant(0.5, np.float32)))
    columns = g.op("Unsqueeze", along[0], g.constant([0]))
    rows = g.op("Unsqueeze", along[1], g.constant([1]))
    both = g.op(
        "Concat", *(g.op("Unsqueeze", side, g.constant([0])) for side in sides[::-1]), axis=0
    )
    level_cells = [
        g.op("Reshape", g.op("Expand", part, both), g.constant([1, -1])) for part in (columns, rows)
    ]
    return str(g.op("Concat", *level_cells, axis=0))
