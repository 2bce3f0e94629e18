"""`main.py` of each function, in a process of its own, on a real S3, SQS and database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hearth import migrations
from hearth.frames import frame_key
from tests.contract.aws.conftest import SqsMailbox, connected
from tests.support.events import load_event

ROOT = Path(__file__).resolve().parents[3]

# What awslambdaric does, less the polling: import by the dotted name, call with event and context.
_CALL = """
import importlib, json, sys
from tests.support.fakes import LambdaContext
module, _, name = sys.argv[1].rpartition(".")
handler = getattr(importlib.import_module(module), name)
answer = handler(json.load(sys.stdin), LambdaContext(remaining_s=55))
print("ANSWER", json.dumps(answer))
"""


@dataclass
class Stack:
    """A deployment's environment, and the other end of its detection queue."""

    env: dict[str, str]
    mailbox: SqsMailbox
    put: Callable[[str], object]

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """The answer of `functions.<function>.main.lambda_handler` in a fresh process."""
        result = subprocess.run(
            [
                sys.executable,
                "-W",
                "error",
                "-c",
                _CALL,
                f"functions.{function}.main.lambda_handler",
            ],
            input=json.dumps(event),
            env={**os.environ, **self.env, "POWERTOOLS_SERVICE_NAME": function},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        (line,) = [x for x in result.stdout.splitlines() if x.startswith("ANSWER ")]
        return json.loads(line.removeprefix("ANSWER "))


@pytest.fixture
def stack(ministack_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    aws = connected(ministack_endpoint, monkeypatch)
    name = f"hearth-{uuid4().hex}"
    aws.s3.create_bucket(Bucket=name)
    url = aws.sqs.create_queue(QueueName=f"{name}-detection")["QueueUrl"]
    env = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/hearth.db",
        "BUCKET": name,
        "QUEUE_PREFIX": f"{name}-",
        "TIMEZONE": "Europe/Berlin",
        "NOTIFICATION_GRACE_S": "0",
        "AWS_ENDPOINT_URL": ministack_endpoint,
        "POWERTOOLS_METRICS_NAMESPACE": "Hearth",
    }
    return Stack(
        env,
        SqsMailbox(aws.sqs, url),
        lambda key: aws.s3.put_object(Bucket=name, Key=key, Body=b"jpeg"),
    )


def test_a_frame_without_a_notification_is_found_listed_and_announced(stack: Stack) -> None:
    migrations.upgrade(stack.env["DATABASE_URL"])
    key = frame_key("gate", datetime(2026, 11, 2, 7, 30, tzinfo=UTC))
    stack.put(key)

    report = stack.invoke("sweep", load_event("sweep/scheduler_every_minute"))

    assert (report["found"], report["listing_error"]) == (1, None)
    (hint,) = stack.mailbox.receive(1)
    assert hint["kind"] == "detection.frame"

    answer = stack.invoke("jobs", load_event("jobs/http_api_summary"))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["jobs"] == {"detection.frame": {"queued": 1}}


def test_a_migration_takes_effect_when_its_response_cannot_be_delivered(stack: Stack) -> None:
    # Port 9 is "discard": nothing listens there, and the invocation fails for Lambda to repeat.
    event = load_event("migrate/cloudformation_create", ResponseURL="http://127.0.0.1:9/x")

    with pytest.raises(AssertionError, match="did not take the answer SUCCESS"):
        stack.invoke("migrate", event)

    assert migrations.current(stack.env["DATABASE_URL"]) == "0004"
