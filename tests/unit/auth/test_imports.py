from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        (
            "functions.auth.main_authorizer",
            ["argon2", "fastapi", "mangum", "boto3", "alembic", "sqlalchemy.orm"],
        ),
        ("functions.auth.main", ["argon2", "boto3", "alembic", "sqlalchemy.orm"]),
    ],
)
def test_a_cold_start_imports_only_what_it_needs(module: str, heavy: list[str]) -> None:
    program = f"import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"DATABASE_URL": "sqlite:////nowhere/hearth.db", "SETUP_TOKEN": ""},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == []


def test_a_short_setup_token_stops_the_start_with_a_clear_message() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import functions.auth.main"],
        capture_output=True,
        text=True,
        env={"DATABASE_URL": "sqlite:////nowhere/hearth.db", "SETUP_TOKEN": "letmein"},
        check=False,
    )
    assert ended.returncode != 0
    assert "setup_token" in ended.stderr
    assert "letmein" not in ended.stderr
