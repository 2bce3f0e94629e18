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
    "NOTIFICATION_CHANNELS": "mailto:a@example.org",
}


def load(module: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys, {module} as m; assert callable(m.lambda_handler); "
        "print(*sorted({'httpx', 'paho'} & set(sys.modules)))"
    )
    base = {
        "DATABASE_URL": "sqlite:////nowhere/hearth.db",
        "BUCKET": "hearth",
        "QUEUE_PREFIX": "hearth-",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/core/python")]),
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
        ("functions.notifications.main", {}, ""),
        ("functions.notifications.main", MAIL, ""),
        ("functions.notifications.main", {"NOTIFICATION_CHANNELS": "mqtt://b/t"}, "paho"),
        ("functions.notifications.main", {"NOTIFICATION_CHANNELS": "https://b/t"}, "httpx"),
        ("functions.notifications.main_api", {"NOTIFICATION_CHANNELS": "mailto:a@b.org"}, ""),
    ],
    ids=["plain", "mail", "mqtt", "webhook", "api"],
)
def test_an_entry_point_loads_and_imports_only_what_is_configured(
    module: str, environment: dict[str, str], loaded: str
) -> None:
    result = load(module, **environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == loaded


def test_an_invalid_channel_stops_the_function_and_discloses_no_secret() -> None:
    result = load(
        "functions.notifications.main", NOTIFICATION_CHANNELS="https://b/t gopher://u:hush@b/"
    )
    assert result.returncode != 0
    assert "channel 2 of NOTIFICATION_CHANNELS" in result.stderr
    assert "hush" not in result.stderr
