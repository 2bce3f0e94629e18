"""Small detectors built by hand: real ONNX graphs that find bright cells.

Each cell of the grid scores the mean brightness of its own pixels, one class for each colour in
the channel order of the family's input, and reports itself as the box. So where a coloured square
is painted on a picture is exactly what must come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Layout = Literal["yolov5", "yolov8", "yolov8-transposed", "yolox", "yolox-pixels", "end-to-end"]
STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class BrightCells:
    """What to build.

    Attributes:
        layout: Of the output.
        size: (height, width) of the input.
        dtype: Of input and output.
        dynamic: Leave batch, height and width of the input free; the boxes stay those of `size`.
        follows: Make the boxes in the graph, from the input's own size.
        gain: Factor on every score; NaN and more than 1 make nonsense.
        bias: Added to every score.
        box_gain: Factor on every box.
        metadata: As an exporter writes it.
        convolved: Average by convolutions, which can be quantized.
    """

    layout: Layout
    size: tuple[int, int] = (64, 96)
    dtype: Any = np.float32
    dynamic: bool = False
    follows: bool = False
    gain: float = 1.0
    bias: float = 0.0
    box_gain: float = 1.0
    metadata: Mapping[str, str] | None = None
    convolved: bool = False

    @property
    def cells(self) -> int:
        height, width = self.size
        return sum((height // s) * (width // s) for s in STRIDES)

    def save(self, path: Path) -> Path:
        height, width = self.size
        element = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        yolox = self.layout.startswith("yolox")
        scale = self.gain / (255 if yolox else 1)
        constants = {
            "scale": np.array(scale, self.dtype),
            "bias": np.array(self.bias, self.dtype),
            "boxes": (self._boxes() * self.box_gain).astype(self.dtype),
            "flat": np.array([1, 3, -1], np.int64),
        }
        nodes = []
        for stride in STRIDES:
            how: dict[str, Any] = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
            operation, inputs = "AveragePool", ["images"]
            if self.convolved:
                operation, inputs = "Conv", ["images", f"mean{stride}"]
                how["group"] = 3
                weights = np.full((3, 1, stride, stride), 1 / stride**2, self.dtype)
                constants[f"mean{stride}"] = weights
            nodes += [
                helper.make_node(operation, inputs, [f"pool{stride}"], **how),
                helper.make_node("Reshape", [f"pool{stride}", "flat"], [f"level{stride}"]),
            ]
        if self.follows:
            del constants["boxes"]
            nodes += self._grid(constants)
        nodes += [
            helper.make_node("Concat", [f"level{s}" for s in STRIDES], ["means"], axis=2),
            helper.make_node("Mul", ["means", "scale"], ["scaled"]),
            helper.make_node("Add", ["scaled", "bias"], ["classes"]),
        ]
        parts, shape = ["boxes", "classes"], [1, 7, self.cells]
        if yolox or self.layout == "yolov5":
            if not self.follows:
                constants["object"] = np.full((1, 1, self.cells), 0.9, self.dtype)
            parts, shape = ["boxes", "object", "classes"], [1, 8, self.cells]
        if self.layout == "end-to-end":
            return self._end_to_end(path, nodes, constants, element)
        last = "output" if self.layout == "yolov8" else "joined"
        nodes.append(helper.make_node("Concat", parts, [last], axis=1))
        if self.layout == "yolov5":
            # Three anchors a cell, which all see the same.
            nodes[-1] = helper.make_node("Concat", parts, ["anchor"], axis=1)
            nodes.append(helper.make_node("Concat", ["anchor"] * 3, ["joined"], axis=2))
            shape[2] *= 3
        if last != "output":
            nodes.append(helper.make_node("Transpose", ["joined"], ["output"], perm=[0, 2, 1]))
            shape = [1, shape[2], shape[1]]
        free: list[Any] = ["batch", 3, "height", "width"]
        graph = helper.make_graph(
            nodes,
            "bright_cells",
            [
                helper.make_tensor_value_info(
                    "images", element, free if self.dynamic else [1, 3, height, width]
                )
            ],
            [
                helper.make_tensor_value_info(
                    "output", element, [None] * 3 if self.follows else shape
                )
            ],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        return save(graph, path, self.metadata)

    def _end_to_end(
        self, path: Path, nodes: list[Any], constants: dict[str, np.ndarray], element: int
    ) -> Path:
        """The 20 best cells as (1, 20, 6): corners, score and class."""
        height, width = self.size
        middle, half = constants["boxes"][:, :2], constants["boxes"][:, 2:] / 2
        corners = np.concatenate([middle - half, middle + half], axis=1)
        constants |= {
            "boxes": corners.astype(self.dtype),
            "k": np.array([20], np.int64),
            "axis": np.array([1], np.int64),
        }
        nodes += [
            helper.make_node("ReduceMax", ["classes"], ["best"], axes=[1], keepdims=1),
            helper.make_node("ArgMax", ["classes"], ["which"], axis=1, keepdims=1),
            helper.make_node("Cast", ["which"], ["named"], to=element),
            helper.make_node("Concat", ["boxes", "best", "named"], ["columns"], axis=1),
            helper.make_node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]),
            helper.make_node("Squeeze", ["best", "axis"], ["flatbest"]),
            helper.make_node("TopK", ["flatbest", "k"], ["values", "places"], axis=1),
            helper.make_node("Reshape", ["places", "k"], ["order"]),
            helper.make_node("Gather", ["rows", "order"], ["output"], axis=1),
        ]
        graph = helper.make_graph(
            nodes,
            "bright_cells",
            [helper.make_tensor_value_info("images", element, [1, 3, height, width])],
            [helper.make_tensor_value_info("output", element, [1, 20, 6])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        return save(graph, path, self.metadata)

    def _grid(self, constants: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
        """`boxes`, and `object` for YOLOX, for whatever size the input has."""
        make = helper.make_node
        element = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        relative = self.layout == "yolox"
        constants |= {
            "zero": np.array(0, np.int64),
            "one": np.array(1, np.int64),
            "half": np.array(0.5, self.dtype),
            "0.9": np.array(0.9, self.dtype),
            "level": np.array([1, 1, -1], np.int64),
            "axes_x": np.array([0, 1, 2], np.int64),
            "axes_y": np.array([0, 1, 3], np.int64),
        }
        nodes, parts = [], []
        for s in STRIDES:
            constants[f"stride{s}"] = np.array(s, self.dtype)
            nodes += [
                make("ReduceMean", [f"pool{s}"], [f"mean{s}"], axes=[1], keepdims=1),
                make("Sub", [f"mean{s}", f"mean{s}"], [f"nil{s}"]),
                make("Shape", [f"pool{s}"], [f"shape{s}"]),
            ]
            for name, axis in (("x", 3), ("y", 2)):
                constants[f"axis{axis}"] = np.array(axis, np.int64)
                nodes += [
                    make("Gather", [f"shape{s}", f"axis{axis}"], [f"side{name}{s}"], axis=0),
                    make("Range", ["zero", f"side{name}{s}", "one"], [f"steps{name}{s}"]),
                    make("Cast", [f"steps{name}{s}"], [f"cells{name}{s}"], to=element),
                    make("Add", [f"cells{name}{s}", "half"], [f"middle{name}{s}"]),
                    make("Mul", [f"middle{name}{s}", f"stride{s}"], [f"at{name}{s}"]),
                    make("Unsqueeze", [f"at{name}{s}", f"axes_{name}"], [f"line{name}{s}"]),
                    make(
                        "Add",
                        [f"nil{s}", "half" if relative else f"line{name}{s}"],
                        [f"full{name}{s}"],
                    ),
                    make("Reshape", [f"full{name}{s}", "level"], [f"flat{name}{s}"]),
                ]
            nodes += [
                make("Add", [f"nil{s}", f"stride{s}"], [f"size{s}"]),
                make("Reshape", [f"nil{s}" if relative else f"size{s}", "level"], [f"flats{s}"]),
            ]
            rows = [f"flatx{s}", f"flaty{s}", f"flats{s}", f"flats{s}"]
            nodes.append(make("Concat", rows, [f"boxes{s}"], axis=1))
            parts.append(f"boxes{s}")
        nodes += [
            make("Concat", parts, ["boxes"], axis=2),
            make("Concat", [f"flats{s}" for s in STRIDES], ["sizes"], axis=2),
            make("Sub", ["sizes", "sizes"], ["nothing"]),
            make("Add", ["nothing", "0.9"], ["object"]),
        ]
        return nodes

    def _boxes(self) -> np.ndarray:
        """(1, 4, cells): each cell's centre and size, as the layout says it."""
        height, width = self.size
        columns = []
        for stride in STRIDES:
            for row in range(height // stride):
                for column in range(width // stride):
                    if self.layout == "yolox":
                        columns.append([0.5, 0.5, 0.0, 0.0])
                    else:
                        middle = [(column + 0.5) * stride, (row + 0.5) * stride]
                        columns.append([*middle, stride, stride])
        return np.array(columns).T[None]


def identity(
    path: Path, shape: list[Any], element: int = TensorProto.FLOAT, inputs: int = 1
) -> Path:
    """A graph that is no detector: it returns what it is given."""
    names = [f"x{i}" for i in range(inputs)]
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"y{name}"]) for name in names],
        "identity",
        [helper.make_tensor_value_info(name, element, shape) for name in names],
        [helper.make_tensor_value_info(f"y{name}", element, shape) for name in names],
    )
    return save(graph, path)


def save(graph: onnx.GraphProto, path: Path, metadata: Mapping[str, str] | None = None) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8  # that of the opset's year; runtimes lag behind the newest
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
