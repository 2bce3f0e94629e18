"""Every error is a sentence and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hearth_runtime.cli import app


@pytest.fixture
def hearth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEARTH_DATA", raising=False)
    runner = CliRunner()

    def run(*arguments: str) -> Result:
        return runner.invoke(app, list(arguments))

    return run


NO_STACK = "No stack is running on data"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["status"], NO_STACK),
        (["jobs"], NO_STACK),
        (["jobs", "retry", "X"], NO_STACK),
        (["jobs", "retry"], "Name one failed job"),
        (["jobs", "retry", "X", "--all"], "Name one failed job"),
        (["invoke", "detection"], NO_STACK),
        (["invoke", "detection", "--payload", "{"], "not JSON"),
        (["invoke", "detection", "--event", "none.json"], "none.json cannot be read"),
        (["invoke", "detection", "--event", "a", "--payload", "{}"], "exclude each other"),
        (["logs"], "holds no log"),
        (["logs", "--level", "loud"], "loud is not a level"),
        (["watch", "clip.mp4"], NO_STACK),
        (["watch", "clip.mp4", "--bucket", "b"], "clip.mp4 does not exist"),
        (["watch", ".", "--bucket", "b"], "holds no image"),
        (["watch", ".", "--bucket", "b", "--camera", "Gate"], "'Gate' is not a camera id"),
        (["watch", ".", "--bucket", "b", "--fps", "fast"], "fast is not a rate"),
        (["watch", ".", "--bucket", "b", "--fps", "nan"], "nan is not a rate"),
        (["watch", ".", "--bucket", "b", "--start-time", "noon"], "noon is not a time"),
        (["watch", ".", "--bucket", "b", "--start-time", "0001-01-01"], "0001-01-01 is not a time"),
        (["run", "none.mp4"], "none.mp4 does not exist"),
        (["run", "a", "b", "--camera", "gate"], "several sources"),
        (["run", ".", "--policy", "p.yaml", "--restricted"], "exclude each other"),
        (["up", "--functions", "mine", "--containers"], "takes processes"),
        (["up", "--functions", "/nowhere"], "There is no plugin in /nowhere"),
        (["run", ".", "--policy", "p.yaml"], "File p.yaml does not exist"),
        (["run", ".", "--model", "m.onnx"], "File m.onnx does not exist"),
        (["run", ".", "--param", "SiteName"], "SiteName is not NAME=VALUE"),
        (["run", ".", "--template", "t.yaml"], "Template t.yaml does not exist"),
        (["up", "--replicas", "detection"], "detection is not FUNCTION=N"),
    ],
)
def test_misuse_is_one_sentence_and_exit_code_2(
    hearth: object, arguments: list[str], said: str
) -> None:
    result: Result = hearth(*arguments)  # type: ignore[operator]
    assert result.exit_code == 2, result.output
    assert said in result.stderr.replace("\n", " ")
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_errors_are_json_where_json_was_asked_for(hearth: object) -> None:
    result: Result = hearth("status", "--json")  # type: ignore[operator]
    assert result.exit_code == 2
    assert set(json.loads(result.stderr)["error"]) == {"message", "remedy"}


def test_debug_shows_where_an_error_arose(hearth: object) -> None:
    result: Result = hearth("--debug", "status")  # type: ignore[operator]
    assert type(result.exception).__name__ == "CommandError"


def test_stopping_what_does_not_run_is_no_error(hearth: object) -> None:
    result: Result = hearth("down", "--json")  # type: ignore[operator]
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"stopped": False, "reason": "not running"}


def test_no_command_shows_the_commands(hearth: object) -> None:
    result: Result = hearth()  # type: ignore[operator]
    for command in ("up", "down", "status", "invoke", "watch", "jobs", "logs", "doctor", "run"):
        assert command in result.output
