"""A password given to the stack appears nowhere outside its use."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

import boto3
import pytest

from tests.e2e.driver import stack

SECRETS = ("SMTPs3cret", "LLMs3cret")


def shown_by(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return str(answer.read().decode())


def command_lines() -> str:
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue  # it has ended
    return "\n".join(lines)


def test_passwords_appear_in_no_log_response_file_or_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both servers refuse every connection, so that whatever is said of failures is said.
    monkeypatch.setenv("HEARTH_SMTP_URL", f"smtp://mailer:{SECRETS[0]}@127.0.0.1:9")
    monkeypatch.setenv("HEARTH_LLM_API_KEY", SECRETS[1])
    options = [
        *("--llm-base-url", "http://127.0.0.1:9/v1", "--llm-model", "m"),
        *("--email-from", "a@example.org", "--email-to", "b@example.org"),
    ]
    with stack(tmp_path / "data", *options) as running:
        state = running.state
        sqs = boto3.client(
            "sqs",
            endpoint_url=state.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        message = {"timestamp": "2026-01-01T00:00:00Z", "class_name": "no_vest", "confidence": 0.9}
        sqs.send_message(QueueUrl=state.queues["ReportsQueue"], MessageBody=json.dumps(message))
        sqs.close()
        deadline = time.monotonic() + 30
        while "mail server" not in (jobs := shown_by(f"{state.gateway_url}/api/v1/jobs")):
            assert time.monotonic() < deadline, jobs
            time.sleep(0.2)
        texts = [
            jobs,
            shown_by(f"{state.gateway_url}/api/v1/reports"),
            shown_by(f"{state.control_url}/status"),
            shown_by(f"{state.control_url}/metrics"),
            command_lines(),
        ]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "runtime.log" for path in files)
    texts += [path.read_bytes().decode("latin-1") for path in files]
    for secret in SECRETS:
        assert not [text[:200] for text in texts if secret in text]
