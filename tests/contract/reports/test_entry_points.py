"""The modules that the template names build what they need from the environment alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAIL = {
    "SMTP_URL": "smtp://127.0.0.1:1",
    "EMAIL_FROM": "h@example.org",
    "EMAIL_TO": "a@example.org",
}


def load(module: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys, {module} as m; assert callable(m.lambda_handler); "
        "print(*sorted({'httpx', 'reportlab', 'tenacity'} & set(sys.modules)))"
    )
    base = {
        "DATABASE_URL": "sqlite:////nowhere/hearth.db",
        "BUCKET": "hearth",
        "QUEUE_PREFIX": "hearth-",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "PYTHONPATH": os.pathsep.join(
            str(ROOT / path) for path in ("", "layers/core/python", "layers/llm/python")
        ),
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"]} | base | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "environment", "loaded"),
    [
        ("functions.reports.main", {}, ""),
        ("functions.reports.main", MAIL, ""),
        (
            "functions.reports.main",
            {"LLM_BASE_URL": "http://127.0.0.1:1/v1", "LLM_MODEL": "m"},
            "httpx",
        ),
        ("functions.reports.main", {"LLM_BASE_URL": "bedrock", "LLM_MODEL": "m"}, ""),
        ("functions.reports.main_api", {}, ""),
    ],
    ids=["plain", "mail", "llm", "bedrock", "api"],
)
def test_an_entry_point_loads_and_imports_only_what_is_configured(
    module: str, environment: dict[str, str], loaded: str
) -> None:
    result = load(module, **environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == loaded


def test_an_invalid_setting_stops_the_function_with_its_name() -> None:
    result = load("functions.reports.main", LLM_BASE_URL="nonsense", LLM_MODEL="m")
    assert result.returncode != 0
    assert "LLM_BASE_URL" in result.stderr
