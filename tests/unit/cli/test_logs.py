"""`hearth logs` on a real file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hearth_runtime.cli import app

RECORDS = [
    {"time": "2026-01-01T00:00:00Z", "level": "DEBUG", "message": "start"},
    {"time": "2026-01-01T00:00:01Z", "level": "INFO", "function": "detection", "message": "one"},
    {"time": "2026-01-01T00:00:02Z", "level": "ERROR", "function": "reports", "message": "[two]"},
    {"time": "2026-01-01T00:00:03Z", "level": "INFO", "function": "hearth-reports", "message": "x"},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    lines = [json.dumps(record) for record in RECORDS]
    (tmp_path / "runtime.log").write_text("\n".join([*lines, "no JSON at all"]) + "\n")
    return tmp_path


def messages(data: Path, *options: str) -> list[str]:
    result = CliRunner().invoke(app, ["logs", "--data", str(data), "--json", *options])
    assert result.exit_code == 0, result.output
    return [json.loads(line)["message"] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["one", "[two]", "x", "no JSON at all"]),
        (["--level", "debug"], ["start", "one", "[two]", "x", "no JSON at all"]),
        (["--level", "error"], ["[two]"]),
        (["--function", "reports"], ["[two]", "x"]),
        (["-n", "1"], ["no JSON at all"]),
        (["-n", "0"], []),
    ],
)
def test_the_log_is_filtered(data: Path, options: list[str], expected: list[str]) -> None:
    assert messages(data, *options) == expected


def test_a_line_for_a_person_keeps_brackets(data: Path) -> None:
    result = CliRunner().invoke(app, ["logs", "--data", str(data), "--level", "error"])
    assert "[two]" in result.stdout
