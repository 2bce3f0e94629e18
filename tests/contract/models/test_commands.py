"""`hearth models` at home and with a bucket, on real graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from hearth.aws import client
from hearth.storage import S3Store
from hearth_models.admission import admit
from hearth_vision.detector import DetectorConfig
from hearth_vision.loading import load_detector
from hearth_vision.onnx_file import MAX_BYTES
from tests.contract.models.conftest import LICENSED, Call
from tests.contract.vision.graphs import BrightCells, identity


def answer(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_model_is_added_shown_listed_verified_promoted_and_removed(
    hearth_models: Call, place: list[str], model: Path
) -> None:
    added = answer(hearth_models("add", model, *place, "--json"))
    assert added["added"] is True
    assert added["name"] == "best-model"
    assert added["family"] == "yolov8-onnx"
    assert added["classes"] == ["red", "green", "person"]
    assert added["input_size"] == [64, 96]
    assert added["licence"] == "Apache-2.0"
    assert added["warnings"] == []
    again = answer(hearth_models("add", model, *place, "--json"))
    assert (again["added"], again["id"]) == (False, added["id"])
    assert answer(hearth_models("show", "best-model", *place, "--json"))["id"] == added["id"]
    assert answer(hearth_models("verify", *place, "--json"))["wrong"] == 0
    promoted = answer(hearth_models("promote", "best-model", *place, "--json"))
    assert promoted["served"]["model_id"] == added["id"]
    assert answer(hearth_models("list", *place, "--json"))["served"]["variant"] == "original"
    refused = hearth_models("remove", "best-model", *place)
    assert refused.exit_code == 2
    assert "is in force" in refused.stderr
    other = BrightCells("yolov8", size=(96, 96), metadata=LICENSED).save(model.parent / "two.onnx")
    assert hearth_models("add", other, *place).exit_code == 0
    assert hearth_models("promote", "two", *place).exit_code == 0
    assert hearth_models("remove", "best-model", *place).exit_code == 0
    assert [one["name"] for one in answer(hearth_models("list", *place, "--json"))["models"]] == [
        "two"
    ]


def test_one_command_rolls_back_to_the_previous_model(
    hearth_models: Call, place: list[str], model: Path
) -> None:
    other = BrightCells("yolov8", size=(96, 96), metadata=LICENSED).save(model.parent / "two.onnx")
    for path in (model, other):
        assert hearth_models("add", path, *place).exit_code == 0
    assert hearth_models("promote", "best-model", *place).exit_code == 0
    assert hearth_models("promote", "two", *place).exit_code == 0
    back = hearth_models("promote", "--back", *place)
    assert back.exit_code == 0
    assert "best-model@" in back.stdout
    assert hearth_models("promote", "--back", *place).exit_code == 2


def test_a_promoted_model_is_what_the_detector_loads(
    hearth_models: Call, model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    added = answer(hearth_models("add", model, "--data", data, "--json"))
    assert hearth_models("promote", "best-model", "--data", data).exit_code == 0
    info = load_detector(DetectorConfig(data / "models")).info
    assert (info.name, info.model_id, info.variant) == ("best-model", added["id"], "original")
    assert info.sha256 == added["original"]["sha256"]
    assert info.precision == "float32"
    assert info.classes == ("red", "green", "person")


def test_a_file_changed_in_the_bucket_or_folder_is_an_error(
    hearth_models: Call, place: list[str], model: Path, tmp_path: Path
) -> None:
    added = answer(hearth_models("add", model, *place, "--json"))
    file = added["original"]["file"]
    if place[0] == "--data":
        (tmp_path / "data/models" / file).write_bytes(b"changed")
    else:
        S3Store(client("s3"), place[1]).put(f"models/{file}", b"changed", "text/plain")
    checked = hearth_models("verify", *place, "--json")
    assert checked.exit_code == 1
    assert "has changed since it was added" in json.loads(checked.stdout)["files"][0]["result"]
    promoted = hearth_models("promote", "best-model", *place)
    assert promoted.exit_code == 1
    assert "has changed since it was added" in promoted.stderr


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (BrightCells("yolov8", gain=3, metadata=LICENSED), "scores run from"),
        (BrightCells("yolov8", gain=float("nan"), metadata=LICENSED), "not finite"),
        (BrightCells("yolov8", gain=0, bias=1, metadata=LICENSED), "every score is 1.00"),
        (BrightCells("yolov8", gain=0, metadata=LICENSED), "every score is 0.00"),
        (BrightCells("yolov8", gain=0, bias=0.5, metadata=LICENSED), "does not look at its input"),
        (BrightCells("yolov8", box_gain=1 / 96, size=(320, 320), metadata=LICENSED), "in pixels"),
        (BrightCells("yolov8"), "its file names none"),
        (BrightCells("yolov8", metadata={"names": "{0: 'a', 1: 'a', 2: 'b'}"}), "'a' twice"),
        (BrightCells("yolov8", metadata={"names": "{0: 'a', 1: 'b'}"}), "2 class names are given"),
        (BrightCells("yolov8", metadata={"task": "segment"}), "made for 'segment'"),
    ],
)
def test_a_model_with_implausible_outputs_is_rejected_with_one_message(
    hearth_models: Call, place: list[str], tmp_path: Path, graph: BrightCells, said: str
) -> None:
    path = graph.save(tmp_path / "m.onnx")
    assert_refused(hearth_models("add", path, *place), said)
    assert answer(hearth_models("list", *place, "--json"))["models"] == []
    assert not (tmp_path / "data").exists()


def assert_refused(result: Any, said: str) -> None:
    assert result.exit_code == 1, result.output
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.strip().count("\n") == 0
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("shape", "element", "said"),
    [
        ([1, 3, 64, 96], TensorProto.UINT8, "float32 and float16 are supported"),
        ([1, 3, 64, 96], TensorProto.INT8, "float32 and float16 are supported"),
        ([1, 3, 64, 96], TensorProto.FLOAT, "outputs have the shapes"),
        ([4, 3, 64, 96], TensorProto.FLOAT, "one image a batch"),
        ([1, 64, 96, 3], TensorProto.FLOAT, "(1, 3, height, width) is expected"),
    ],
)
def test_unsupported_inputs_and_outputs_are_rejected(
    hearth_models: Call, tmp_path: Path, shape: list[int], element: int, said: str
) -> None:
    path = identity(tmp_path / "m.onnx", shape, element)
    given = ("--classes", "a,b", "--data", tmp_path / "data")
    assert_refused(hearth_models("add", path, *given), said)
    assert not (tmp_path / "data").exists()


def test_a_model_in_half_precision_is_taken(hearth_models: Call, tmp_path: Path) -> None:
    path = BrightCells("yolov8", dtype=np.float16, metadata=LICENSED).save(tmp_path / "m.onnx")
    assert hearth_models("add", path, "--data", tmp_path / "data").exit_code == 0


def test_a_model_of_free_size_is_taken_at_the_size_it_names_or_with_a_warning(
    hearth_models: Call, tmp_path: Path
) -> None:
    sized = LICENSED | {"imgsz": "[64, 96]"}
    path = BrightCells("yolov8", dynamic=True, metadata=sized).save(tmp_path / "m.onnx")
    added = answer(hearth_models("add", path, "--data", tmp_path / "data", "--json"))
    assert added["input_size"] == [64, 96]
    assert added["warnings"] == []
    path = BrightCells("yolov8", size=(640, 640), dynamic=True, metadata=LICENSED).save(
        tmp_path / "n.onnx"
    )
    added = answer(hearth_models("add", path, "--data", tmp_path / "data", "--json"))
    assert "leaves its input's size free" in added["warnings"][0]


def test_a_model_with_suppression_inside_is_taken_with_a_warning(
    hearth_models: Call, tmp_path: Path
) -> None:
    path = BrightCells("end-to-end", metadata=LICENSED).save(tmp_path / "m.onnx")
    added = answer(hearth_models("add", path, "--data", tmp_path / "data", "--json"))
    assert added["family"] == "yolo-end-to-end-onnx"
    assert "look at its answers on images of yours" in added["warnings"][0]


def test_two_gigabytes_are_rejected_without_reading_them(
    hearth_models: Call, tmp_path: Path
) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)  # sparse: takes no room
    refused = hearth_models("add", path, "--data", tmp_path / "data")
    assert_refused(refused, f"has 2000000000 bytes; at most {MAX_BYTES}")


@pytest.mark.parametrize("threshold", [0, 1024])
def test_weights_in_a_separate_file_are_rejected(
    hearth_models: Call, tmp_path: Path, model: Path, threshold: int
) -> None:
    path = tmp_path / "large.onnx"
    onnx.save(
        onnx.load(model),
        path,
        save_as_external_data=True,
        location="large.bin",
        size_threshold=threshold,
    )
    refused = hearth_models("add", path, "--data", tmp_path / "data")
    assert_refused(refused, "keeps its weights in another file")


def test_a_graph_of_free_size_that_runs_at_no_other_than_its_own_is_rejected(
    hearth_models: Call, tmp_path: Path
) -> None:
    path = BrightCells("yolov8", dynamic=True, metadata=LICENSED).save(tmp_path / "m.onnx")
    refused = hearth_models("add", path, "--data", tmp_path / "data")
    assert_refused(refused, "ONNX Runtime failed")


def test_a_file_that_changes_while_it_is_added_is_kept_as_it_was_checked(
    hearth_models: Call, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.read_bytes()

    def changing(*given: Any) -> Any:
        record = admit(*given)
        model.write_bytes(b"changed")
        return record

    monkeypatch.setattr("hearth_models.admission.admit", changing)
    added = answer(hearth_models("add", model, "--data", tmp_path / "data", "--json"))
    assert (tmp_path / "data/models" / added["original"]["file"]).read_bytes() == before
    verified = answer(hearth_models("verify", "--data", tmp_path / "data", "--json"))
    assert verified["wrong"] == 0


def test_a_licence_left_out_is_a_warning_and_is_recorded_as_unknown(
    hearth_models: Call, tmp_path: Path
) -> None:
    path = BrightCells("yolov8", metadata={"names": LICENSED["names"]}).save(tmp_path / "m.onnx")
    added = hearth_models("add", path, "--data", tmp_path / "data")
    assert added.exit_code == 0
    assert "no licence was given" in added.stderr
    shown = answer(hearth_models("show", "m", "--data", tmp_path / "data", "--json"))
    assert shown["licence"] == "unknown"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "none.onnx"), "file none.onnx does not exist"),
        (("add", "."), "is a folder; name the ONNX file in it"),
        (("add", "MODEL", "--classes", "a,b,a"), "'a' is given twice"),
        (
            ("add", "MODEL", "--classes", "names.txt"),
            "file names.txt with class names does not exist",
        ),
        (("add", "MODEL", "--classes", ""), "--classes is empty"),
        (("add", "MODEL", "--name", "Best Model"), "is no name for a model"),
        (("add", "MODEL", "--licence", "x" * 201), "at most 200 printable signs"),
        (("add", "MODEL", "--licence", "a\nb"), "at most 200 printable signs"),
        (("add", "MODEL", "--sha256", "abc"), "64 hexadecimal digits"),
        (("add", "MODEL", "--sha256", "0" * 64), "it was not added"),
        (("add", "http://example.org/m.onnx"), "only https:// is"),
        (("show", "nothing"), "model nothing does not exist"),
        (("promote",), "name a model to promote"),
        (("promote", "nothing", "--back"), "name a model to promote, or give --back"),
        (("variants", "nothing"), "model nothing does not exist"),
        (("remove", "nothing"), "model nothing does not exist"),
    ],
)
def test_invalid_commands_are_one_line_errors_with_a_remedy(
    hearth_models: Call, model: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    given = [str(model) if argument == "MODEL" else argument for argument in arguments]
    refused = hearth_models(*given, "--data", tmp_path / "data")
    assert refused.exit_code in (1, 2)
    assert said in refused.stderr
    assert refused.stderr.strip().count("\n") == 0
    as_json = hearth_models(*given, "--data", tmp_path / "data", "--json")
    assert said in json.loads(as_json.stderr)["error"]["message"]


def test_without_a_stack_frames_must_be_named(
    hearth_models: Call, model: Path, tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, *data).exit_code == 0
    refused = hearth_models("variants", "best-model", *data)
    assert refused.exit_code == 2
    assert "name a folder or video with --frames" in refused.stderr
    (tmp_path / "empty").mkdir()
    refused = hearth_models("variants", "best-model", *data, "--frames", tmp_path / "empty")
    assert "holds no image that can be read" in refused.stderr


def test_classes_show_what_they_are_taken_for_and_can_be_renamed(
    hearth_models: Call, tmp_path: Path, model: Path
) -> None:
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, *data).exit_code == 0
    assert hearth_models("promote", "best-model", *data).exit_code == 0
    shown = json.loads(hearth_models("classes", "best-model", *data, "--json").stdout)
    assert shown["classes"] == {"red": None, "green": None, "person": "person"}
    renamed = hearth_models("classes", "best-model", "no casque,gilet,person", *data, "--json")
    assert json.loads(renamed.stdout)["classes"] == {
        "no casque": "no helmet",
        "gilet": "vest",
        "person": "person",
    }
    served = json.loads((tmp_path / "data/models/served.json").read_text())
    assert served["served"]["classes"] == ["no casque", "gilet", "person"]
    refused = hearth_models("classes", "best-model", "a,b", *data)
    assert refused.exit_code != 0
    assert "has 3 classes, but 2 names are given" in refused.stderr
