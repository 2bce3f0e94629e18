"""`hearth models` hands everything on to the model tools, a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hearth_runtime.cli import app
from tests.contract.models.conftest import LICENSED
from tests.contract.vision.graphs import BrightCells


def hearth(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hearth_runtime", *(str(one) for one in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_model_is_added_and_listed(tmp_path: Path) -> None:
    model = BrightCells("yolov8", metadata=LICENSED).save(tmp_path / "best.onnx")
    added = hearth("models", "add", model, "--data", tmp_path / "data", "--json")
    assert added.returncode == 0, added.stderr
    assert json.loads(added.stdout)["name"] == "best"
    listed = hearth("models", "list", "--data", tmp_path / "data", "--json")
    assert [one["name"] for one in json.loads(listed.stdout)["models"]] == ["best"]


def test_help_and_errors_are_the_model_tools(tmp_path: Path) -> None:
    helped = hearth("models", "add", "--help")
    assert helped.returncode == 0
    assert "hearth models add" in helped.stdout
    assert "--licence" in helped.stdout
    refused = hearth("models", "add", tmp_path / "none.onnx", "--data", tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: file ")
    assert "does not exist" in refused.stderr
    unknown = hearth("models", "ad")
    assert unknown.returncode == 2
    assert "No such command" in unknown.stderr


def test_where_the_model_tools_are_not_installed_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hearth_runtime.commands import models

    monkeypatch.setattr(models, "MODEL_TOOLS", "no_such_package")
    refused = CliRunner().invoke(app, ["models", "list"])
    assert refused.exit_code == 2
    assert "is not installed here" in refused.stderr
