"""One suite for both backends and all layouts, on real graphs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from hearth.errors import InvalidInput, ModelFailed
from hearth.processor import has_bfloat16
from hearth_vision.detector import Detector, DetectorConfig
from hearth_vision.loading import load_detector
from tests.contract.vision.graphs import BrightCells, Layout, identity

BACKENDS = ["onnxruntime", "openvino"]
LAYOUTS: list[Layout] = [
    "yolov5",
    "yolov8",
    "yolov8-transposed",
    "yolox",
    "yolox-pixels",
    "end-to-end",
]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def names_for(layout: str) -> tuple[str, ...]:
    """Colours in the order in which the family's input holds them."""
    return ("blue", "green", "red") if layout.startswith("yolox") else ("red", "green", "blue")


def load(path: Path, graph: BrightCells, backend: str, **settings: Any) -> Detector:
    graph.save(path / "m.onnx")
    settings.setdefault("classes", names_for(graph.layout))
    return load_detector(DetectorConfig(path / "m.onnx", backend=backend, threads=1, **settings))


def painted(
    height: int, width: int, box: tuple[int, int, int, int], bgr: tuple[int, int, int]
) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = bgr
    return image


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_red_square_is_found_where_it_is(
    tmp_path: Path, backend: str, layout: Layout, dtype: type
) -> None:
    detector = load(tmp_path, BrightCells(layout, dtype=dtype), backend, confidence=0.8)
    # Twice the model's size: cells of 8 pixels are 16 in the picture.
    found = detector.detect([painted(128, 192, (64, 32, 80, 48), (0, 0, 255))])[0]
    assert len(found) == 1
    assert found.boxes[0] == pytest.approx([64, 32, 80, 48], abs=0.1)
    has_object_score = layout in ("yolov5", "yolox", "yolox-pixels")
    assert found.scores[0] == pytest.approx(0.9 if has_object_score else 1.0, abs=0.01)
    assert detector.info.classes[found.class_ids[0]] == "red"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_are_in_source_pixels_whatever_the_padding(
    tmp_path: Path, backend: str, layout: Layout
) -> None:
    detector = load(tmp_path, BrightCells(layout), backend, confidence=0.6)
    # 96 x 32 in a model of 96 x 64: 32 rows of padding, at the foot or half of it above.
    found = detector.detect([painted(32, 96, (8, 16, 16, 24), (255, 0, 0))])[0]
    assert found.boxes.tolist() == [pytest.approx([8, 16, 16, 24], abs=0.1)]
    assert detector.info.classes[found.class_ids[0]] == "blue"


def test_answers_come_in_the_order_of_the_images(tmp_path: Path, backend: str) -> None:
    detector = load(tmp_path, BrightCells("yolov8"), backend, confidence=0.8)
    places = [(8 * i, 0, 8 * i + 8, 8) for i in range(7)]
    found = detector.detect(painted(64, 96, box, (0, 255, 0)) for box in places)
    assert [tuple(one.boxes[0].round()) for one in found] == places
    assert detector.detect([]) == []
    assert len(detector.detect([np.zeros((64, 96, 3), np.uint8)])[0]) == 0


def test_images_of_different_sizes_do_not_disturb_each_other(tmp_path: Path, backend: str) -> None:
    detector = load(tmp_path, BrightCells("yolox"), backend, confidence=0.3)
    pictures = [painted(h, w, (0, 0, w // 2, h // 2), (0, 255, 255))
                for h, w in ((64, 96), (5, 300), (300, 5), (1, 1), (640, 480))]  # fmt: skip
    together = detector.detect(pictures)
    alone = [detector.detect([picture])[0] for picture in pictures]
    for one, other, picture in zip(together, alone, pictures, strict=True):
        assert one.boxes.tolist() == other.boxes.tolist()
        assert one.scores.tolist() == other.scores.tolist()
        height, width = picture.shape[:2]
        assert (one.boxes >= 0).all()
        assert (one.boxes <= [width, height, width, height]).all()


def test_a_bad_image_amid_good_ones_leaves_the_detector_usable(
    tmp_path: Path, backend: str
) -> None:
    detector = load(tmp_path, BrightCells("yolov8"), backend, confidence=0.8)
    good = painted(64, 96, (8, 8, 16, 16), (255, 255, 255))

    def pictures() -> Iterator[np.ndarray]:
        yield good
        yield good
        yield np.zeros((4, 4), np.uint8)

    with pytest.raises(InvalidInput, match=r"shape \(4, 4\)"):
        detector.detect(pictures())
    assert len(detector.detect([good])[0]) >= 1


def test_the_best_detections_are_returned_up_to_the_limit(tmp_path: Path, backend: str) -> None:
    detector = load(tmp_path, BrightCells("yolov8"), backend, confidence=0.1, max_detections=3)
    image = np.zeros((64, 96, 3), np.uint8)
    for i in range(8):
        image[0:8, 8 * i : 8 * i + 8] = 30 * i
    scores = detector.detect([image])[0].scores
    assert len(scores) == 3
    assert scores.tolist() == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(210 / 255, abs=0.01)


def test_a_model_that_leaves_its_size_free_runs_at_that_of_its_metadata(
    tmp_path: Path, backend: str
) -> None:
    metadata = {"imgsz": "[64, 96]", "names": "{0: 'red', 1: 'green', 2: 'blue'}"}
    graph = BrightCells("yolov8", dynamic=True, metadata=metadata)
    detector = load(tmp_path, graph, backend, classes=(), confidence=0.8)
    assert detector.info.input_size == (64, 96)
    assert detector.info.classes == ("red", "green", "blue")
    found = detector.detect([painted(64, 96, (64, 32, 72, 40), (0, 0, 255))])[0]
    assert found.boxes.tolist() == [pytest.approx([64, 32, 72, 40], abs=0.1)]


@pytest.mark.parametrize("layout", ["yolov8", "yolov8-transposed", "yolox", "yolox-pixels"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_graph_that_follows_its_input_runs_at_each_camera_s_shape(
    tmp_path: Path, backend: str, layout: Layout, dtype: type
) -> None:
    metadata = {"imgsz": "[128, 128]"}
    graph = BrightCells(layout, dynamic=True, follows=True, dtype=dtype, metadata=metadata)
    detector = load(tmp_path, graph, backend, confidence=0.8)
    assert detector.info.input_size is None
    assert "as the camera's shape asks" in detector.info.detail
    # 4:3, upright, wide, square: mixed in one batch, more shapes than stay compiled.
    shapes = [(96, 128), (128, 96), (64, 256), (128, 128), (32, 128), (96, 128)]
    pictures = [painted(h, w, (w - 32, h - 32, w, h), (0, 0, 255)) for h, w in shapes]
    for picture, found in zip(pictures, detector.detect(pictures), strict=True):
        height, width = picture.shape[:2]
        best = found.select(found.scores >= found.scores.max() - 0.01)
        assert detector.info.classes[best.class_ids[0]] == "red"
        corners = np.array([width - 32, height - 32, width, height])
        assert (best.boxes[:, :2] >= corners[:2] - 0.1).all()
        assert (best.boxes[:, 2:] <= corners[2:] + 0.1).all()
    alone = [detector.detect([picture])[0] for picture in pictures]
    for one, other in zip(detector.detect(pictures), alone, strict=True):
        assert one.boxes.tobytes() == other.boxes.tobytes()


def test_a_graph_of_falsely_free_size_is_padded_to_its_own_size(
    tmp_path: Path, backend: str
) -> None:
    metadata = {"imgsz": "[64, 96]"}
    detector = load(tmp_path, BrightCells("yolov8", dynamic=True, metadata=metadata), backend)
    assert detector.info.input_size == (64, 96)
    assert "fixed input" in detector.info.detail
    assert len(detector.detect([np.zeros((96, 64, 3), np.uint8)])[0]) == 0


def test_a_compiled_program_is_reused_by_the_next_process(
    tmp_path: Path,
) -> None:
    cache = tmp_path / "cache"
    pictures = [painted(64, 96, (8, 8, 16, 16), (255, 255, 255))]
    first = load(tmp_path, BrightCells("yolox"), "openvino", cache=cache).detect(pictures)
    assert list(cache.glob("*.blob"))
    later = load(tmp_path, BrightCells("yolox"), "openvino", cache=cache).detect(pictures)
    assert first[0].boxes.tobytes() == later[0].boxes.tobytes()
    for blob in cache.glob("*.blob"):
        blob.write_bytes(b"rubbish")
    anew = load(tmp_path, BrightCells("yolox"), "openvino", cache=cache).detect(pictures)
    assert first[0].boxes.tobytes() == anew[0].boxes.tobytes()


def test_the_description_names_model_method_and_backend(tmp_path: Path, backend: str) -> None:
    info = load(tmp_path, BrightCells("yolox"), backend).info
    native = backend == "openvino" and has_bfloat16()
    assert info.name == "m"
    assert info.sha256 == hashlib.sha256((tmp_path / "m.onnx").read_bytes()).hexdigest()
    assert (info.method, info.backend, info.fallback) == ("yolox-onnx", backend, False)
    assert f"{'bfloat16' if native else 'float32'}, 1 threads" in info.detail
    assert backend in info.detail


def test_auto_selects_openvino(tmp_path: Path) -> None:
    assert load(tmp_path, BrightCells("yolov8"), "auto").info.backend == "openvino"


def test_auto_falls_back_to_onnx_runtime_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hearth_vision.backends.open_vino as module

    def refuse(*_: object, **__: object) -> None:
        raise ModelFailed("Model m.onnx: OpenVINO cannot load it: no such operation")

    monkeypatch.setattr(module, "OpenVinoProgram", refuse)
    info = load(tmp_path, BrightCells("yolov8"), "auto").info
    assert info.backend == "onnxruntime"
    assert "no such operation" in info.notes[0]


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (BrightCells("yolov8", gain=3), r"scores run from 0 to .*0\.\.1 is expected"),
        (BrightCells("yolox", gain=-1), r"scores run from -"),
        (BrightCells("yolov8", gain=float("nan")), "not finite"),
        (BrightCells("yolov8", gain=float("inf")), "not finite"),
        (BrightCells("yolov8", gain=0), r"every score is 0\.00"),
        (BrightCells("yolov8", gain=0, bias=1), r"every score is 1\.00"),
        (BrightCells("yolov8", gain=0, bias=0.5), "does not look at its input"),
        (BrightCells("yolov8", size=(320, 320), box_gain=1 / 320), "pixels of the model's input"),
        (BrightCells("yolox-pixels", box_gain=1e30), "pixels of the model's input"),
    ],
)
def test_a_model_with_implausible_outputs_is_rejected_at_load(
    tmp_path: Path, backend: str, graph: BrightCells, message: str
) -> None:
    with pytest.raises(ModelFailed, match=message) as caught:
        load(tmp_path, graph, backend)
    assert "m.onnx" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("settings", "classes", "message"),
    [
        ({"gain": 3}, ("a", "b", "c"), r"scores run from 0 to"),
        ({"gain": float("nan")}, ("a", "b", "c"), "not finite"),
        ({"box_gain": 1 / 96}, ("a", "b", "c"), r"boxes lie within 0\.\.1"),
        ({}, (), "give the class names"),
        ({}, ("a",), r"it answered class [12], but there are 1 class names"),
    ],
)
def test_a_model_with_suppression_inside_is_checked_as_far_as_it_shows(
    tmp_path: Path, backend: str, settings: dict[str, float], classes: tuple[str, ...], message: str
) -> None:
    graph = BrightCells("end-to-end", **settings)  # type: ignore[arg-type]
    with pytest.raises(ModelFailed, match=message):
        load(tmp_path, graph, backend, classes=classes)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((), "has 3 classes and its file names none"),
        (("a",), "3 classes, but 1 class names"),
        (("a", "b", "c", "d"), "3 classes, but 4 class names"),
    ],
)
def test_class_names_must_match_the_model(
    tmp_path: Path, backend: str, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelFailed, match=message):
        load(tmp_path, BrightCells("yolov8"), backend, classes=classes)


@pytest.mark.parametrize(
    ("shape", "element", "inputs", "message"),
    [
        ([1, 3, 64, 96], TensorProto.FLOAT, 1, r"outputs have the shapes \[\(1, 3, 64, 96\)\]"),
        ([1, 64, 96, 3], TensorProto.FLOAT, 1, r"\(1, 3, height, width\) is expected"),
        ([4, 3, 64, 96], TensorProto.FLOAT, 1, "one image a batch"),
        ([3, 64, 96], TensorProto.FLOAT, 1, r"\(3, 64, 96\)"),
        ([1, 3, 64, 96], TensorProto.FLOAT, 2, "inputs have the shapes"),
        ([1, 3, 64, 96], TensorProto.UINT8, 1, "float32 and float16 are supported"),
        ([1, 3, 64, 96], TensorProto.DOUBLE, 1, "float32 and float16 are supported"),
        ([1, 3, 9000, 96], TensorProto.FLOAT, 1, r"outside 32\.\.4096"),
    ],
)
def test_a_graph_that_is_not_a_detector_is_rejected(
    tmp_path: Path, backend: str, shape: list[int], element: int, inputs: int, message: str
) -> None:
    path = identity(tmp_path / "m.onnx", shape, element, inputs)
    with pytest.raises(ModelFailed, match=message):
        load_detector(DetectorConfig(path, ("a",), backend=backend))  # type: ignore[arg-type]


def test_a_model_for_another_task_is_rejected(tmp_path: Path, backend: str) -> None:
    with pytest.raises(ModelFailed, match="made for 'segment'"):
        load(tmp_path, BrightCells("yolov8", metadata={"task": "segment"}), backend)


def test_a_file_with_a_broken_graph_is_rejected(tmp_path: Path, backend: str) -> None:
    path = tmp_path / "m.onnx"
    # A valid envelope: version, operator set, and a graph of rubbish.
    path.write_bytes(b"\x08\x08\x42\x02\x10\x11\x3a\x04\xff\xff\xff\xff")
    with pytest.raises(ModelFailed, match=r"m\.onnx: .* cannot load it"):
        load_detector(DetectorConfig(path, ("a",), backend=backend))  # type: ignore[arg-type]


def test_bfloat16_is_used_where_asked_for_or_rejected_with_the_reason(tmp_path: Path) -> None:

    if has_bfloat16():
        detector = load(tmp_path, BrightCells("yolov8"), "openvino", precision="bfloat16")
        assert "bfloat16" in detector.info.detail
    else:
        with pytest.raises(ModelFailed, match="choose float32"):
            load(tmp_path, BrightCells("yolov8"), "openvino", precision="bfloat16")
    with pytest.raises(ModelFailed, match="use openvino"):
        load(tmp_path, BrightCells("yolov8"), "onnxruntime", precision="bfloat16")


def test_no_backend_writes_to_the_home_folder(tmp_path: Path, backend: str) -> None:
    """Both runtimes come with usage reporting, which keeps an identifier there."""
    home = tmp_path / "home"
    home.mkdir()
    model = BrightCells("yolov8").save(tmp_path / "m.onnx")
    program = (
        "import sys; from pathlib import Path; import hearth_vision.loading as d; "
        "d.load_detector(d.DetectorConfig(Path(sys.argv[1]), ('a', 'b', 'c'), sys.argv[2]))"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    subprocess.run(
        [sys.executable, "-c", program, str(model), backend],
        env=environment | {"HOME": str(home)},
        check=True,
        timeout=60,
    )
    assert sorted(home.rglob("*")) == []
