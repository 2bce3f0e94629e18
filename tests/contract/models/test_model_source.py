"""What the detection function does with a registry, at home and in a bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from functions.detection.intake.model_source import REFRESH_S, ModelSource
from functions.detection.judging.equipment import Item
from functions.detection.policy import Defaults, Policy
from functions.detection.worker import model_record
from hearth.aws import client
from hearth.errors import InvalidInput, ModelFailed, NotFound
from hearth.storage import S3Store
from hearth_vision.detector import DetectorConfig
from tests.contract.models.conftest import LICENSED, Call
from tests.contract.vision.graphs import BrightCells


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


Build = Callable[[str], ModelSource]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def build(clock: Clock, request: pytest.FixtureRequest) -> Build:
    """A source for a setting; its bucket is that of the test, if it has one."""

    def make(setting: str) -> ModelSource:
        name = setting.removeprefix("s3://").partition("/")[0] if "s3://" in setting else "none"
        return ModelSource(
            setting,
            lambda: DetectorConfig(threads=1),
            name,
            lambda: S3Store(client("s3"), name),
            clock,
        )

    return make


@pytest.fixture
def two(hearth_models: Call, place: list[str], model: Path, tmp_path: Path) -> str:
    """A registry with two models, the first in force; the setting that names it."""
    other = BrightCells("yolov8", size=(96, 96), metadata=LICENSED).save(tmp_path / "two.onnx")
    for path in (model, other):
        assert hearth_models("add", path, *place).exit_code == 0
    assert hearth_models("promote", "best-model", *place).exit_code == 0
    return f"s3://{place[1]}/models" if place[0] == "--bucket" else f"{place[1]}/models"


def test_a_promotion_and_a_rollback_take_effect_within_a_minute(
    hearth_models: Call, place: list[str], two: str, build: Build, clock: Clock
) -> None:
    source = build(two)
    first = source.current()
    assert first.info.name == "best-model"
    assert hearth_models("promote", "two", *place).exit_code == 0
    assert source.current() is first
    clock.now += REFRESH_S
    second = source.current()
    assert second.info.name == "two"
    clock.now += REFRESH_S
    assert source.current() is second
    assert hearth_models("promote", "--back", *place).exit_code == 0
    clock.now += REFRESH_S
    assert source.current().info.name == "best-model"


def test_a_promoted_model_that_cannot_be_loaded_leaves_the_previous_one_in_use(
    hearth_models: Call, tmp_path: Path, model: Path, build: Build, clock: Clock
) -> None:
    data = ("--data", tmp_path / "data")
    other = BrightCells("yolov8", size=(96, 96), metadata=LICENSED).save(tmp_path / "two.onnx")
    for path in (model, other):
        assert hearth_models("add", path, *data).exit_code == 0
    assert hearth_models("promote", "best-model", *data).exit_code == 0
    source = build(str(tmp_path / "data/models"))
    assert source.current().info.name == "best-model"
    assert hearth_models("promote", "two", *data).exit_code == 0
    [file] = (tmp_path / "data/models/two").rglob("model.onnx")
    kept = file.read_bytes()
    file.write_bytes(b"changed")
    clock.now += REFRESH_S
    assert source.current().info.name == "best-model"
    file.write_bytes(kept)
    clock.now += REFRESH_S
    assert source.current().info.name == "two"


def test_a_changed_file_is_rejected_at_the_start(
    hearth_models: Call, tmp_path: Path, model: Path, build: Build
) -> None:
    data = ("--data", tmp_path / "data")
    assert hearth_models("add", model, *data).exit_code == 0
    assert hearth_models("promote", "best-model", *data).exit_code == 0
    [file] = (tmp_path / "data/models").rglob("model.onnx")
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ModelFailed, match="has changed since it was added"):
        build(str(tmp_path / "data/models")).current()


def test_a_stored_result_names_model_variant_and_precision(two: str, build: Build) -> None:
    body = model_record(build(two).current().info, Policy().rules("gate")).body
    assert str(body["model_id"]).startswith("best-model@")
    assert (body["variant"], body["precision"]) == ("original", "float32")
    assert len(str(body["sha256"])) == 64


def test_a_stored_result_says_what_the_policy_asks_and_the_model_cannot_show(
    two: str, build: Build
) -> None:
    info = replace(build(two).current().info, classes=("helmet", "person"))
    rules = Policy(defaults=Defaults(required=(Item.HELMET,))).rules("gate")
    assert model_record(info, rules).body["notes"] == list(info.notes)
    [said] = model_record(info, Policy().rules("gate")).body["notes"][len(info.notes) :]
    assert "the policy requires vest" in said


def test_a_setting_that_is_not_a_registry_is_an_error(
    bucket: str, tmp_path: Path, source: Callable[[str], ModelSource]
) -> None:
    with pytest.raises(InvalidInput, match="names no registry"):
        source(f"s3://{bucket}").current()
    with pytest.raises(InvalidInput, match="another bucket"):
        source("s3://other/models").current()
    with pytest.raises(NotFound, match=r"served\.json does not exist"):
        source(f"s3://{bucket}/models").current()
    with pytest.raises(ModelFailed, match="does not exist"):
        source(str(tmp_path / "none.onnx")).current()


@pytest.fixture
def source(bucket: str, clock: Clock) -> Callable[[str], ModelSource]:
    """What a stack with that bucket has for a setting."""

    def make(setting: str) -> ModelSource:
        store = S3Store(client("s3"), bucket)
        return ModelSource(setting, lambda: DetectorConfig(threads=1), bucket, lambda: store, clock)

    return make


@pytest.mark.parametrize("setting", ["", "data/models"])
def test_until_a_promotion_the_built_in_detector_is_marked_as_fallback(
    hearth_models: Call,
    bucket: str,
    tmp_path: Path,
    model: Path,
    clock: Clock,
    source: Callable[[str], ModelSource],
    setting: str,
) -> None:
    registry = tmp_path / "data/models"
    registry.mkdir(parents=True)
    place = ("--data", tmp_path / "data") if setting else ("--bucket", bucket)
    models = source(str(registry) if setting else "")
    built_in = models.current()
    assert built_in.info.fallback is True
    assert "No model is in force" in built_in.info.notes[0]
    clock.now += REFRESH_S
    assert models.current() is built_in
    assert hearth_models("add", model, *place).exit_code == 0
    assert hearth_models("promote", "best-model", *place).exit_code == 0
    assert models.current() is built_in
    clock.now += REFRESH_S
    promoted = models.current().info
    assert (promoted.name, promoted.fallback) == ("best-model", False)


def test_a_folder_without_a_promotion_falls_back_to_the_bucket(
    hearth_models: Call,
    bucket: str,
    tmp_path: Path,
    model: Path,
    clock: Clock,
    source: Callable[[str], ModelSource],
) -> None:
    other = BrightCells("yolov8", size=(96, 96), metadata=LICENSED).save(tmp_path / "two.onnx")
    assert hearth_models("add", model, "--bucket", bucket).exit_code == 0
    assert hearth_models("promote", "best-model", "--bucket", bucket).exit_code == 0
    (tmp_path / "data/models").mkdir(parents=True)
    models = source(str(tmp_path / "data/models"))
    assert models.current().info.name == "best-model"
    assert hearth_models("add", other, "--data", tmp_path / "data").exit_code == 0
    assert hearth_models("promote", "two", "--data", tmp_path / "data").exit_code == 0
    clock.now += REFRESH_S
    assert models.current().info.name == "two"


def test_a_deleted_registry_keeps_the_loaded_model_in_use(
    place: list[str], two: str, tmp_path: Path, build: Build, clock: Clock
) -> None:
    models = build(two)
    first = models.current()
    if place[0] == "--data":
        (tmp_path / "data/models").rename(tmp_path / "away")
    else:
        S3Store(client("s3"), place[1]).delete("models/served.json")
    clock.now += REFRESH_S
    assert models.current() is first


def test_an_unreadable_folder_is_an_error(
    tmp_path: Path, source: Callable[[str], ModelSource]
) -> None:
    (tmp_path / "served.json").mkdir()
    with pytest.raises(ModelFailed, match=r"served\.json cannot be read"):
        source(str(tmp_path)).current()


def test_a_plain_file_is_loaded(tmp_path: Path, build: Build, clock: Clock, model: Path) -> None:
    source = build(str(model))
    first = source.current()
    assert first.info.model_id is None
    clock.now += REFRESH_S
    assert source.current() is first
