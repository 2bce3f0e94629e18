"""SSDLite with MobileNetV2 (Sandler et al. 2018) as ONNX, from TensorFlow's frozen graph.

Batch norms are folded, anchors and box decoding are inside. Input (1, 3, 300, 300) float32 RGB,
0..1; output (1, 1917, 6) float32: x1, y1, x2, y2 in input pixels, score, class 0. 300 x 300 is no
free choice: TensorFlow's SAME padding differs with the size, and another one costs accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hearth.errors import InvalidInput
from hearth_vision.conversion.frozen_graph import Node

SIZE: Final = 300
_BACKBONE = "FeatureExtractor/MobilenetV2/"
_BLOCKS = 17
_FEATURE_BLOCK = 13  # the first feature map is this block's expansion
_EXTRA_LAYERS = ((256, 512), (128, 256), (128, 256), (64, 128))
_GRIDS = (19, 10, 5, 3, 2, 1)
# Anchors of TensorFlow's object detection API, ssd_anchor_generator: 6 layers from 0.2 to 0.95, the
# lowest reduced; a square between two scales stands last.
_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
_ASPECTS = (1.0, 2.0, 0.5, 3.0, 0.3333)
_CENTRE_SCALE, _SIZE_SCALE = 10.0, 5.0  # of its faster_rcnn_box_coder
Weights = NDArray[Any]


def ssdlite_model(nodes: Mapping[str, Node], licence: str) -> bytes:
    """The ONNX file; the same bytes each time.

    Raises:
        InvalidInput: The graph is of another network.
    """
    try:
        return _Writer(nodes).model(licence)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InvalidInput(f"the graph is not SSDLite MobileNetV2: {error!r}") from error


class _Writer:
    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._source = nodes
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._size = SIZE
        self._zero = self._constant(np.float32(0))
        self._six = self._constant(np.float32(6))

    def model(self, licence: str) -> bytes:
        doubled = self._add("Mul", "images", self._constant(np.float32(2)))
        features = self._features(self._add("Sub", doubled, self._constant(np.float32(1))))
        boxes = self._heads(features, "BoxEncodingPredictor", 4)
        classes = self._heads(features, "ClassPredictor", 2)
        self._decoded(boxes, classes)
        anchors = len(_anchors())
        graph = helper.make_graph(
            self._nodes,
            "ssdlite",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, anchors, 6])],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        metadata = {"names": "{0: 'person'}", "imgsz": f"[{SIZE}, {SIZE}]", "license": licence}
        for key, value in metadata.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _features(self, x: str) -> list[str]:
        x = self._convolution(x, f"{_BACKBONE}Conv", f"{_BACKBONE}Conv/Conv2D")
        found = []
        for number in range(_BLOCKS):
            block = f"{_BACKBONE}expanded_conv{f'_{number}' if number else ''}"
            y = x
            if number:
                y = self._convolution(y, f"{block}/expand", f"{block}/expand/Conv2D")
            if number == _FEATURE_BLOCK:
                found.append(y)
            y = self._convolution(y, f"{block}/depthwise", f"{block}/depthwise/depthwise")
            y = self._convolution(y, f"{block}/project", f"{block}/project/Conv2D", clip=False)
            x = self._add("Add", y, x) if f"{block}/add" in self._source else y
        x = self._convolution(x, f"{_BACKBONE}Conv_1", f"{_BACKBONE}Conv_1/Conv2D")
        found.append(x)
        for number, (narrow, wide) in enumerate(_EXTRA_LAYERS, 2):
            layer = f"{_BACKBONE}layer_19_1_Conv2d_{number}_1x1_{narrow}"
            x = self._convolution(x, layer, f"{layer}/Conv2D")
            layer = f"{_BACKBONE}layer_19_2_Conv2d_{number}_3x3_s2_{wide}"
            x = self._convolution(x, f"{layer}_depthwise", f"{layer}_depthwise/depthwise")
            x = self._convolution(x, layer, f"{layer}/Conv2D")
            found.append(x)
        return found

    def _heads(self, features: list[str], kind: str, values: int) -> str:
        """(1, anchors, values) of all feature maps."""
        parts = []
        shape = self._constant(np.array([1, -1, values], np.int64))
        for number, feature in enumerate(features):
            head = f"BoxPredictor_{number}/{kind}"
            x = self._convolution(feature, f"{head}_depthwise", f"{head}_depthwise/depthwise")
            weights = self._value(f"{head}/weights").transpose(3, 2, 0, 1)
            bias = self._value(f"{head}/biases")
            x = self._add(
                "Conv", x, self._constant(weights), self._constant(bias), kernel_shape=[1, 1]
            )
            x = self._add("Transpose", x, perm=[0, 2, 3, 1])
            parts.append(self._add("Reshape", x, shape))
        return self._add("Concat", *parts, axis=1)

    def _decoded(self, boxes: str, classes: str) -> None:
        anchors = _anchors()[None]
        sizes = anchors[:, :, 2:]
        shift = self._add(
            "Mul", self._part(boxes, 0, 2), self._constant(sizes / np.float32(_CENTRE_SCALE))
        )
        centres = self._add("Add", shift, self._constant(anchors[:, :, :2]))
        growth = self._add(
            "Exp",
            self._add("Mul", self._part(boxes, 2, 4), self._constant(np.float32(1 / _SIZE_SCALE))),
        )
        halves = self._add("Mul", growth, self._constant(sizes / np.float32(2)))
        low, high = self._add("Sub", centres, halves), self._add("Add", centres, halves)
        scores = self._part(self._add("Sigmoid", classes), 1, 2)
        zeros = self._add("Mul", scores, self._zero)
        columns = [self._part(edge, at, at + 1) for edge in (low, high) for at in (1, 0)]
        result = self._add("Concat", *columns, scores, zeros, axis=2)
        self._nodes.append(helper.make_node("Identity", [result], ["output"]))

    def _part(self, tensor: str, begin: int, end: int) -> str:
        """Columns of (1, N, C)."""
        limits = (self._constant(np.array([n], np.int64)) for n in (begin, end, 2))
        return self._add("Slice", tensor, *limits)

    def _convolution(self, x: str, layer: str, node: str, *, clip: bool = True) -> str:
        """A convolution with its batch norm folded, and ReLU6."""
        source = self._source[node]
        weights = self._value(source.inputs[1]).astype(np.float64)
        scale, bias = self._batch_norm(f"{layer}/BatchNorm")
        depthwise = source.operation == "DepthwiseConv2dNative"
        # Height, width, in, out; of a depthwise one height, width, channels, 1.
        weights = weights.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        weights = weights * scale[:, None, None, None]
        stride, kernel = source.attributes["strides"][1], weights.shape[2]
        options: dict[str, Any] = {
            "kernel_shape": [kernel, kernel],
            "strides": [stride, stride],
            "group": len(weights) if depthwise else 1,
        }
        if kernel > 1:
            options["pads"] = self._padding(kernel, stride)
        convolved = self._add(
            "Conv",
            x,
            self._constant(weights.astype(np.float32)),
            self._constant(bias.astype(np.float32)),
            **options,
        )
        return self._add("Clip", convolved, self._zero, self._six) if clip else convolved

    def _padding(self, kernel: int, stride: int) -> list[int]:
        """TensorFlow's SAME: the odd pixel goes right and below."""
        if stride == 1:
            return [kernel // 2] * 4
        size, self._size = self._size, math.ceil(self._size / stride)
        whole = (self._size - 1) * stride + kernel - size
        before, after = whole // 2, whole - whole // 2
        return [before, before, after, after]

    def _batch_norm(self, layer: str) -> tuple[Weights, Weights]:
        epsilon = self._source[f"{layer}/FusedBatchNorm"].attributes["epsilon"]
        gamma, beta, mean, variance = (
            self._value(f"{layer}/{name}").astype(np.float64)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + epsilon)
        return scale, beta - mean * scale

    def _value(self, name: str) -> Weights:
        node = self._source[name]
        while node.operation == "Identity":
            node = self._source[node.inputs[0]]
        value: Weights = node.attributes["value"]
        return value

    def _constant(self, value: Any) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; the name of its output."""
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=f"n{name}", **attributes))
        return name


def _anchors() -> NDArray[np.float32]:
    """(1917, 4): centre y, centre x, height, width, in input pixels."""
    found = []
    for layer, cells in enumerate(_GRIDS):
        if layer == 0:
            shapes = [(0.1, 1.0), (_SCALES[0], 2.0), (_SCALES[0], 0.5)]
        else:
            between = math.sqrt(_SCALES[layer] * _SCALES[layer + 1])
            shapes = [*((_SCALES[layer], aspect) for aspect in _ASPECTS), (between, 1.0)]
        sizes = [(scale / math.sqrt(a) * SIZE, scale * math.sqrt(a) * SIZE) for scale, a in shapes]
        for row in range(cells):
            for column in range(cells):
                centre = ((row + 0.5) / cells * SIZE, (column + 0.5) / cells * SIZE)
                found += [(*centre, *size) for size in sizes]
    return np.asarray(found, np.float32)
