"""Variants: made, compared, kept back where they disagree, and run by the detector."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hearth.aws import client
from hearth.errors import InvalidInput
from hearth.storage import S3Store
from hearth_models.admission import admit
from hearth_models.files import Folder
from hearth_models.frames import Frames, from_path
from hearth_models.registry import Registry
from hearth_models.variants import make_variants
from hearth_runtime.backup.models import is_registry_file
from hearth_vision.detector import DetectorConfig
from hearth_vision.images import ImageLimits, decode_image
from hearth_vision.loading import load_detector
from tests.contract.models.conftest import LICENSED, Call
from tests.contract.vision.graphs import BrightCells


def variants(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return {one["name"]: one for one in json.loads(result.stdout)["variants"]}


def test_variants_are_compared_on_frames_that_were_held_out_and_promoted(
    hearth_models: Call, place: list[str], model: Path, pictures: Path, tmp_path: Path
) -> None:
    assert hearth_models("add", model, *place).exit_code == 0
    made = variants(hearth_models("variants", "best-model", "--frames", pictures, *place, "--json"))
    assert {"float32", "int8"} <= set(made)
    exact = made["float32"]
    assert exact["agreement"]["frames"] == 30
    assert exact["agreement"]["original"] >= 30
    assert exact["agreement"]["f1"] == 1
    assert exact["accepted"] is True
    assert exact["agreement"]["frames_with_person"][0] >= 20
    shown = hearth_models("show", "best-model", *place)
    assert "accepted: F1 1.000" in shown.stdout
    assert hearth_models("verify", *place).exit_code == 0
    assert hearth_models("promote", "best-model", "--variant", "float32", *place).exit_code == 0
    if place[0] == "--data":
        detector = load_detector(DetectorConfig(tmp_path / "data/models"))
        assert detector.info.variant == "float32"
        assert detector.info.precision == "float32"
        assert detector.info.backend == "openvino"
        picture = decode_image((pictures / "000.jpg").read_bytes(), ImageLimits())
        assert len(detector.detect([picture])[0]) >= 1


def test_add_with_frames_makes_them_at_once(
    hearth_models: Call, model: Path, pictures: Path, tmp_path: Path
) -> None:
    result = hearth_models(
        "add", model, "--frames", pictures, "--data", tmp_path / "data", "--json"
    )
    assert "float32" in variants(result)
    assert hearth_models("promote", "best-model", "--data", tmp_path / "data").exit_code == 0
    names = [f"models/{path}" for path in Folder(tmp_path / "data/models").paths()]
    assert {"models/served.json"} < set(names)
    assert [name for name in names if not is_registry_file(name)] == []  # or no backup has it


def test_frames_that_the_cameras_delivered_are_taken_from_the_bucket(
    hearth_models: Call, bucket: str, model: Path, pictures: Path
) -> None:
    store = S3Store(client("s3"), bucket)
    for number, path in enumerate(sorted(pictures.glob("*.jpg"))[:40]):
        key = f"frames/gate/20261126T1200{number:02}.000000Z.jpg"
        store.put(key, path.read_bytes(), "image/jpeg")
    store.put("frames/gate/20261126T120100.000000Z.end", b"{}", "application/json")
    store.put("frames/gate/20261126T120101.000000Z.jpg", b"no", "image/jpeg")
    assert hearth_models("add", model, "--bucket", bucket).exit_code == 0
    result = hearth_models("variants", "best-model", "--bucket", bucket)
    assert result.exit_code == 0, result.output
    assert "20 frames to calibrate, 20 held out (41 frames of the cameras" in result.stderr
    assert "1 images could not be decoded" in result.stderr


def test_agreement_is_unknown_on_frames_without_objects(
    hearth_models: Call, model: Path, tmp_path: Path
) -> None:
    import numpy as np

    from hearth_vision.images import encode_jpeg

    (tmp_path / "dark").mkdir()
    for number in range(20):
        picture = np.full((64, 96, 3), number, np.uint8)
        (tmp_path / f"dark/{number:02}.jpg").write_bytes(encode_jpeg(picture))
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, *data).exit_code == 0
    made = variants(
        hearth_models("variants", "best-model", "--frames", tmp_path / "dark", *data, "--json")
    )
    assert not any(one["accepted"] for one in made.values())
    assert "not established: the original finds 0 objects" in made["float32"]["reason"]
    refused = hearth_models("promote", "best-model", "--variant", "float32", *data)
    assert refused.exit_code == 2
    assert "not established" in refused.stderr


def test_a_network_without_quantizable_layers_has_no_int8_and_a_note(
    hearth_models: Call, pictures: Path, tmp_path: Path
) -> None:
    path = BrightCells("yolov8", metadata=LICENSED).save(tmp_path / "m.onnx")
    result = hearth_models("add", path, "--frames", pictures, "--data", tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert "int8 is left out" in result.stderr
    assert "nothing in it can be quantized" in result.stderr
    assert "int8" not in result.stdout


def test_without_openvino_variants_fail_and_other_commands_work(
    monkeypatch: pytest.MonkeyPatch,
    hearth_models: Call,
    pictures: Path,
    tmp_path: Path,
    model: Path,
) -> None:
    """As in the image of the model tools, which holds what the functions' images hold."""
    for name in ("hearth_models.conversion", "hearth_vision.backends.open_vino"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, *data).exit_code == 0
    refused = hearth_models("variants", "best-model", "--frames", pictures, *data)
    assert refused.exit_code == 2
    assert "OpenVINO, which makes and runs variants, is not installed here" in refused.stderr
    assert refused.stderr.strip().count("\n") == 0
    assert hearth_models("promote", "best-model", *data).exit_code == 0
    assert hearth_models("bench", "best-model", "--frames", pictures, *data).exit_code == 0


def test_too_few_frames_are_rejected(pictures: Path, tmp_path: Path, model: Path) -> None:
    registry = Registry(Folder(tmp_path / "models"))
    few = Frames(from_path(pictures, 60).images[:5], "five images")
    record = admit(model, "m", "m", (), "", "2026-11-26T12:00:00Z")
    with pytest.raises(InvalidInput, match="5 frames; at least 20 are needed"):
        make_variants(registry, record, few)


def test_bench_measures_the_original_and_each_variant_in_one_run(
    hearth_models: Call, model: Path, pictures: Path, tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, "--frames", pictures, *data).exit_code == 0
    measured = hearth_models("bench", "best-model", "--frames", pictures, *data, "--json")
    assert measured.exit_code == 0, measured.stderr
    rows = {row["variant"]: row for row in json.loads(measured.stdout)["variants"]}
    assert rows["original"]["ratio"] == 1
    assert all(row["frames_per_second"] > 0 for row in rows.values())
    assert "int8 and" in rows["int8"]["precision"]


def test_quantizing_leaves_no_identifier_in_the_home_folder(pictures: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    model = BrightCells("yolox", metadata=LICENSED, convolved=True).save(tmp_path / "m.onnx")
    command = [sys.executable, "-m", "hearth_models", "add", str(model), "--frames", str(pictures)]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "data"), "--json"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["variants"]) >= 2
    assert sorted(home.rglob("*")) == []
