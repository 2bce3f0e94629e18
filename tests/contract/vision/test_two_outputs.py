"""RT-DETR, D-FINE, RF-DETR and YOLO-NAS: graphs with boxes and scores apart, as exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hearth.errors import ModelFailed
from hearth_vision.decoding.two_outputs import FORMS, TwoOutputs
from hearth_vision.detector import Detector, DetectorConfig
from hearth_vision.loading import load_detector
from tests.contract.vision.graphs import STRIDES, BrightCells, save

SIZE = (64, 96)
FAMILIES: list[TwoOutputs] = ["detr", "rf-detr", "yolo-nas"]


def write_model(path: Path, family: TwoOutputs, *, box_gain: float = 1.0) -> Path:
    """Each cell's brightness by colour, as the family puts it out; of DETR every query twice."""
    height, width = SIZE
    form = FORMS[family]
    boxes = BrightCells("yolov8", SIZE)._boxes().transpose(0, 2, 1)
    constants = {
        "mean": np.array(form.mean, np.float32).reshape(1, 3, 1, 1),
        "deviation": np.array(form.deviation, np.float32).reshape(1, 3, 1, 1),
        "flat": np.array([1, 3, -1], np.int64),
        "low": np.array(0.001, np.float32),
        "high": np.array(0.999, np.float32),
        "one": np.array(1, np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Mul", ["images", "deviation"], ["spread"]),
        make("Add", ["spread", "mean"], ["pixels"]),
    ]
    for s in STRIDES:
        nodes += [
            make("AveragePool", ["pixels"], [f"pool{s}"], kernel_shape=[s] * 2, strides=[s] * 2),
            make("Reshape", [f"pool{s}", "flat"], [f"level{s}"]),
        ]
    nodes += [
        make("Concat", [f"level{s}" for s in STRIDES], ["levels"], axis=2),
        make("Transpose", ["levels"], ["rows"], perm=[0, 2, 1]),
        make("Clip", ["rows", "low", "high"], ["shares"]),
    ]
    count = boxes.shape[1]
    if family == "yolo-nas":
        middle, half = boxes[..., :2], boxes[..., 2:] / 2
        constants["placed"] = np.concatenate([middle - half, middle + half], axis=2)
        nodes.append(make("Identity", ["shares"], ["scores"]))
    else:
        fractions = boxes / np.array([width, height] * 2)
        constants["placed"] = np.concatenate([fractions, fractions], axis=1)
        count *= 2
        nodes += [
            make("Sub", ["one", "shares"], ["rest"]),
            make("Div", ["shares", "rest"], ["odds"]),
            make("Log", ["odds"], ["once"]),
            make("Concat", ["once", "once"], ["scores"], axis=1),
        ]
    constants["placed"] = (constants["placed"] * box_gain).astype(np.float32)
    nodes.append(make("Identity", ["placed"], ["boxes"]))
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, count, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, count, 3]),
    ]
    graph = helper.make_graph(
        nodes,
        "two_outputs",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *SIZE])],
        outputs[::-1] if family == "detr" else outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return save(graph, path)


def load(path: Path, family: TwoOutputs, backend: str) -> Detector:
    colours = ("red", "green", "blue") if FORMS[family].rgb else ("blue", "green", "red")
    config = DetectorConfig(
        path, colours, backend=backend, confidence=0.8, threads=1, precision="float32"
    )
    return load_detector(config)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_red_square_is_found_where_it_is(
    tmp_path: Path, family: TwoOutputs, backend: str
) -> None:
    detector = load(write_model(tmp_path / "m.onnx", family), family, backend)
    image = np.zeros((128, 192, 3), np.uint8)
    image[32:48, 64:80] = (0, 0, 255)
    [found] = detector.detect([image])
    assert len(found) == 1
    assert found.boxes[0] == pytest.approx([64, 32, 80, 48], abs=0.2)
    assert found.scores[0] == pytest.approx(1, abs=0.01)
    assert detector.info.classes[found.class_ids[0]] == "red"
    assert detector.info.method == f"{family}-onnx"


def test_another_number_of_class_names_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", "detr")
    with pytest.raises(ModelFailed, match="3 classes, but 2 class names"):
        load_detector(DetectorConfig(path, ("a", "b"), backend="onnxruntime"))


def test_boxes_that_are_no_fractions_are_refused_with_the_remedy(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", "detr", box_gain=96)
    with pytest.raises(ModelFailed, match="export boxes as centre and size in fractions"):
        load(path, "detr", "onnxruntime")
