"""What NNCF makes of a graph: steps of eight bits before convolutions, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from onnx import TensorProto, helper, numpy_helper

from hearth_models.conversion import convert, quantize
from hearth_vision.decoding.yolov8 import Yolov8Decoder


@pytest.fixture
def two_convolutions(tmp_path: Path) -> Path:
    """Convolution, SiLU, convolution, all biased; height and width are free, as in an export."""
    random = np.random.default_rng(3)
    constants = {
        "w0": random.normal(0, 0.2, (8, 3, 3, 3)),
        "b0": random.normal(0, 1, 8),
        "w1": random.normal(0, 0.2, (4, 8, 3, 3)),
        "b1": random.normal(0, 1, 4),
    }
    nodes = [
        helper.make_node("Conv", ["images", "w0", "b0"], ["y"], pads=[1] * 4),
        helper.make_node("Sigmoid", ["y"], ["gate"]),
        helper.make_node("Mul", ["y", "gate"], ["silu"]),
        helper.make_node("Conv", ["silu", "w1", "b1"], ["output"], pads=[1] * 4),
    ]
    graph = helper.make_graph(
        nodes,
        "two_convolutions",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "h", "w"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "two.onnx")
    return tmp_path / "two.onnx"


def test_a_silu_stays_whole_between_convolutions(two_convolutions: Path, tmp_path: Path) -> None:
    pictures = [np.random.default_rng(n).integers(0, 256, (32, 64, 3), np.uint8) for n in range(20)]
    target = tmp_path / "int8.xml"
    quantize(two_convolutions, target, pictures, Yolov8Decoder.form, (32, 64), keep_last=False)
    graph = openvino.Core().read_model(target)
    kinds = [operation.get_type_name() for operation in graph.get_ops()]
    assert (kinds.count("Convolution"), kinds.count("Swish")) == (2, 1)
    assert kinds.count("FakeQuantize") == 2  # the convolutions' inputs; their weights are stored so
    assert graph.is_dynamic()


def test_a_converted_graph_answers_the_same_at_any_size(
    two_convolutions: Path, tmp_path: Path
) -> None:
    target = tmp_path / "float.xml"
    convert(two_convolutions, target)
    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    both = [core.compile_model(path, "CPU", exact) for path in (two_convolutions, target)]
    for height, width in ((32, 64), (96, 32)):
        picture = np.random.default_rng(1).random((1, 3, height, width), np.float32)
        expected, found = (compiled(picture)[0] for compiled in both)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
