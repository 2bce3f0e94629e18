"""What a function imports before its first event: each package costs every cold start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.image.build import ROOT

WORKERS = sorted(
    path.parent.name
    for path in ROOT.glob("functions/*/main.py")
    if path.with_name("main_api.py").is_file()
)
PROGRAM = "import importlib, sys; importlib.import_module(sys.argv[1]); print(*sys.modules)"


def imported(module: str) -> set[str]:
    environment = {
        **os.environ,
        "DATABASE_URL": "sqlite:////nowhere/hearth.db",
        "BUCKET": "hearth-data",
        "QUEUE_PREFIX": "hearth-",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-c", PROGRAM, module]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("name", WORKERS)
def test_a_queues_worker_starts_without_what_serves_http(name: str) -> None:
    assert not imported(f"functions.{name}.main") & {"fastapi", "mangum", "starlette"}


@pytest.mark.parametrize("name", WORKERS)
def test_routes_start_without_what_few_of_them_call(name: str) -> None:
    assert not imported(f"functions.{name}.main_api") & {"boto3", "httpx", "psycopg", "sklearn"}
