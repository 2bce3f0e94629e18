"""What costs a second to import waits until somebody asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("sklearn", "scipy", "faiss", "skops", "numpy", "arro3.io", "psycopg", "pandas", "boto3")


@pytest.mark.parametrize("module", ["functions.clustering.main", "functions.clustering.main_api"])
def test_an_entry_point_does_not_import_what_only_some_requests_need(module: str) -> None:
    code = (
        f"import sys, {module} as m; assert callable(m.lambda_handler); "
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "sqlite:////nowhere/hearth.db",
        "BUCKET": "hearth-data",
        "QUEUE_PREFIX": "hearth-",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/core/python")]),
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # The queue's function reads a file of S3 in any case.
    assert result.stdout.strip() == ("" if module.endswith("api") else "boto3")
