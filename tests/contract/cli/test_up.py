"""`hearth up` where it cannot begin: one sentence, and nothing is started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hearth_runtime.cli import app


def refusal(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["up", "--json", *arguments])
    assert result.exit_code == 2, result.output
    message = json.loads(result.stderr.splitlines()[-1])["error"]["message"]
    assert isinstance(message, str)
    return message


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refusal("--data", str(tmp_path / "file" / "data"))
    assert f"{tmp_path}/file/data cannot be written (Not a directory)" in message
    assert "--data" in message


def test_a_disk_that_takes_nothing_more_is_told_with_its_remedy(tmp_path: Path) -> None:
    # No file may grow: the nearest that a test comes to a full disk without being root.
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from hearth_runtime.cli import app; app(sys.argv[1:])"
    )
    arguments = ["up", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "cannot be written (File too large): make room" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("pair", ["detection", "detection=", "detection=0", "=2", "detection=two"])
def test_replicas_that_are_no_number_are_refused(tmp_path: Path, pair: str) -> None:
    assert f"--replicas {pair} is not FUNCTION=N" in refusal(
        "--data", str(tmp_path / "data"), "--replicas", pair
    )
