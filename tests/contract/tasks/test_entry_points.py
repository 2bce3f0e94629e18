"""The modules that the template names build what they need from the environment alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("module", ["functions.tasks.main", "functions.tasks.main_api"])
def test_an_entry_point_loads_without_what_only_some_requests_need(module: str) -> None:
    code = (
        f"import sys, {module} as m; assert callable(m.lambda_handler); "
        "print(*sorted({'icalendar', 'dateutil.rrule', 'psycopg', 'fastapi'} & set(sys.modules)))"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "sqlite:////nowhere/hearth.db",
        "QUEUE_PREFIX": "hearth-",
        "TIMEZONE": "Europe/Berlin",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/core/python")]),
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ("fastapi" if module.endswith("api") else "")
