"""What flags mean to the template."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from functions.detection.policy import parse_policy
from hearth.errors import InvalidInput
from hearth_runtime.commands import options, run_plan
from hearth_runtime.commands.output import CommandError
from hearth_runtime.commands.run_plan import Watched, plan
from hearth_runtime.commands.watch import frames_per_second, moment, parse_regions
from hearth_runtime.watch.errors import SourceError


def parameters(given: list[str] | None = None, **flags: object) -> dict[str, str]:
    values = flags.pop("values", {})
    return options.template_parameters(given, values=values, **flags)  # type: ignore[arg-type]


def test_no_flag_gives_no_parameter() -> None:
    assert parameters() == {}


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parameters(["LlmApiKey=a=b", "SiteName="]) == {"LlmApiKey": "a=b", "SiteName": ""}


def test_a_flag_wins_over_its_parameter() -> None:
    assert parameters(["SiteName=a"], values={"SiteName": "b", "Timezone": None}) == {
        "SiteName": "b"
    }


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("m.onnx", "c.names", "p.yaml"):
        Path(name).touch()
    assert parameters(model=Path("m.onnx"), classes="c.names", policy=Path("p.yaml")) == {
        "ModelPath": str(tmp_path / "m.onnx"),
        "ModelClasses": str(tmp_path / "c.names"),
        "Policy": str(tmp_path / "p.yaml"),
    }


def promoted(data: Path) -> Path:
    registry = data / "models"
    registry.mkdir(parents=True)
    (registry / "served.json").write_text("{}")
    return registry


def test_what_was_promoted_is_the_model_unless_another_one_is_named(tmp_path: Path) -> None:
    data, model = tmp_path / "data", tmp_path / "m.onnx"
    model.touch()
    assert parameters(registry_of=data) == {}
    registry = promoted(data)
    assert parameters(registry_of=data) == {"ModelPath": str(registry)}
    assert parameters(registry_of=data, model=model) == {"ModelPath": str(model)}
    assert parameters(["ModelPath=/x.onnx"], registry_of=data) == {"ModelPath": "/x.onnx"}
    assert parameters(registry_of=None) == {}


def test_a_registry_may_be_named_as_the_model(tmp_path: Path) -> None:
    registry = promoted(tmp_path)
    assert parameters(model=registry) == {"ModelPath": str(registry)}
    with pytest.raises(CommandError, match="does not exist"):
        parameters(model=tmp_path)


def test_classes_may_be_named_on_the_spot() -> None:
    assert parameters(classes="helmet,vest") == {"ModelClasses": "helmet,vest"}


def test_a_file_of_classes_that_is_missing_is_refused() -> None:
    with pytest.raises(CommandError, match=r"no/such\.names"):
        parameters(classes="no/such.names")


def test_passwords_come_by_the_environment_and_leave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(options.PARAMETERS, json.dumps({"SmtpUrl": "smtp://a:b@c"}))
    assert parameters(["SiteName=x"]) == {"SmtpUrl": "smtp://a:b@c", "SiteName": "x"}
    assert parameters() == {}


def test_the_template_of_the_project_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert options.template_path(None).read_text().startswith("AWSTemplateFormatVersion")


@pytest.mark.parametrize(
    ("sources", "cameras"),
    [
        ([], []),
        (["a/gate.mp4"], ["gate"]),
        (["a/gate.mp4", "b/gate.gif", "Gate.avi"], ["gate", "gate-2", "gate-3"]),
        (["x" * 80, "x" * 80], ["x" * 63, "x" * 61 + "-2"]),
    ],
)
def test_every_source_gets_a_camera_of_its_own(sources: list[str], cameras: list[str]) -> None:
    assert [item.camera for item in plan(sources, None)] == cameras


def test_a_source_whose_name_is_taken_is_told() -> None:
    watched = plan(["a/clip.mp4", "b/clip.mp4"], None)
    assert run_plan.renamed(watched, None) == [Watched("b/clip.mp4", "clip-2")]
    assert run_plan.renamed([Watched("clip.mp4", "yard")], "yard") == []


def test_a_camera_can_be_named() -> None:
    assert plan(["clip.mp4"], "yard") == [Watched("clip.mp4", "yard")]


def test_files_that_are_not_there_are_found_before_anything_starts(tmp_path: Path) -> None:
    addresses = [Watched("rtsp://cam/1", "a"), Watched("0", "b"), Watched(str(tmp_path), "c")]
    run_plan.check_files(addresses)
    with pytest.raises(SourceError, match=r"none\.mp4"):
        run_plan.check_files([Watched("none.mp4", "d")])


def test_a_restricted_policy_names_every_camera(tmp_path: Path) -> None:
    path = run_plan.write_restricted_policy(tmp_path / "data", ["gate", "yard"])
    assert yaml.safe_load(path.read_text()) == {
        "version": 1,
        "cameras": {"gate": {"restricted": True}, "yard": {"restricted": True}},
    }


def test_the_photographs_are_real_and_keep_their_times(tmp_path: Path) -> None:
    first = run_plan.copy_photographs(tmp_path)
    files = {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in first.iterdir()}
    assert "astronaut.png" in files
    assert all(size > 10_000 for _, size in files.values())
    again = run_plan.copy_photographs(tmp_path)
    assert {p.name: (p.stat().st_mtime_ns, p.stat().st_size) for p in again.iterdir()} == files


@pytest.mark.parametrize(
    ("text", "rate"), [(None, 5.0), ("all", None), ("5", 5.0), ("0.2", 0.2), ("1000", 1000.0)]
)
def test_a_rate_is_read(text: str | None, rate: float | None) -> None:
    assert frames_per_second(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "inf", "nan", "1001", "5 fps"])
def test_a_wrong_rate_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        frames_per_second(text)


def test_a_start_time_is_an_instant() -> None:
    assert moment(None) is None
    assert moment("2026-11-21T09:00:00+01:00") == datetime(2026, 11, 21, 8, tzinfo=UTC)
    now = moment("now")
    assert now is not None
    assert abs((datetime.now(UTC) - now).total_seconds()) < 5


def test_regions_are_fractions_of_the_image_and_there_may_be_several() -> None:
    assert parse_regions([], True) == ()
    assert parse_regions(["0,0.3,1,1", " 0.5, 0, .55, 1e-1"], True) == (
        (0.0, 0.3, 1.0, 1.0),
        (0.5, 0.0, 0.55, 0.1),
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "0,0,1", "0,0,1,1,1", "a,b,c,d", "0;0;1;1", "0 0 1 1", "0,0,1,"),
        *("nan,0,1,1", "0,0,nan,1", "0,0,inf,1", "-0.1,0,1,1", "0,0,1,1.01", "0,0,100,100"),
        *("0.5,0,0.5,1", "1,1,0,0", "0,0,0.04,1", "0,0,1,0.01", "0.96,0,1,1"),
        "9" * 400 + ",0,1,1",
    ],
)
def test_what_is_no_region_for_hearth_watch_is_none_for_a_policy(text: str) -> None:
    with pytest.raises(CommandError, match="is not left,top,right,bottom") as refused:
        parse_regions(["0,0,1,1", text], True)
    assert len(refused.value.message) < 250
    with pytest.raises(InvalidInput):
        parse_policy(f"cameras: {{gate: {{region: [{text}]}}}}".encode())


@pytest.mark.parametrize("text", ["0,0,1,1", "0,0,0.05,0.05", "0.2,0.3,0.4,0.5", "0.95,0.5,1,1"])
def test_what_is_a_region_for_hearth_watch_is_one_for_a_policy(text: str) -> None:
    (region,) = parse_regions([text], True)
    policy = parse_policy(f"cameras: {{gate: {{region: [{text}]}}}}".encode())
    assert policy.rules("gate").region == region


def test_regions_without_a_look_at_motion_are_refused() -> None:
    with pytest.raises(CommandError, match="--no-motion"):
        parse_regions(["0,0,1,1"], False)
    with pytest.raises(CommandError, match="51 times"):
        parse_regions(["0,0,1,1"] * 51, True)
