"""`hearth doctor` on this machine: it opens a port."""

from __future__ import annotations

import json
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from typer.testing import CliRunner

from hearth_runtime.aws.disk_history import DiskHistory
from hearth_runtime.cli import app

ROOT = Path(__file__).resolve().parents[3]


def checks(*options: str) -> dict[str, dict[str, str]]:
    result = CliRunner().invoke(app, ["doctor", "--json", *options])
    return {check["name"]: check for check in json.loads(result.stdout)["checks"]}


def test_this_machine_is_well(tmp_path: Path) -> None:
    found = checks("--data", str(tmp_path / "data"))
    assert found["packages"]["state"] == "ok", found["packages"]
    assert found["data"]["state"] == "ok"
    assert found["model"]["state"] == "warning"
    assert "the person detector that Hearth brings is used" in found["model"]["message"]
    assert not (tmp_path / "data").exists()


def test_what_is_wrong_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    found = checks("--data", str(tmp_path), "--model", str(tmp_path / "model.onnx"))
    assert found["model"]["state"] == "wrong"
    assert found["model"]["mend"]
    assert checks("--model", str(tmp_path / "none"))["model"]["state"] == "wrong"


def test_models_that_were_not_made_are_named(tmp_path: Path) -> None:
    template = shutil.copy(ROOT / "template.yaml", tmp_path)
    found = checks("--template", template)["model"]
    assert "lacks pedestrian-ssdlite.onnx and centerface.onnx" in found["message"]
    assert found["mend"] == "Run scripts/models."


def test_something_wrong_is_exit_code_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--model", str(tmp_path / "none.onnx")])
    assert result.exit_code == 1


def test_a_port_that_is_taken_is_found() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert checks("--port", str(other.getsockname()[1]))["port"]["state"] == "wrong"


def test_a_disk_that_fills_up_is_foreseen(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    DiskHistory(tmp_path).note(datetime.now(UTC) - timedelta(days=1), free * 2)
    found = checks("--data", str(tmp_path))["disk"]
    assert found["state"] == "warning"
    assert "full in 1." in found["message"] or "full in 0.9" in found["message"]
    assert "FrameRetentionDays" in found["mend"]
