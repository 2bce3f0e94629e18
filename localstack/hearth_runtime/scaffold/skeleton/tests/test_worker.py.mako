"""The queue of `${name}`, as Lambda's SQS event source calls it."""

from __future__ import annotations

% if plugin:
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
% else:
import json
from pathlib import Path
% endif
from typing import Any

import pytest

from ${package}.handler import make_handler
from ${package}.worker import ${title}Worker, new_job
from hearth.db import Database
from hearth.ledger.ledger import JobState, Ledger, NewJob, metadata
% if not plugin:
from tests.support.events import load_event
from tests.support.fakes import LambdaContext, MemoryQueues
% else:


class MemoryQueues:
    """Takes job notifications and keeps none."""

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None:
        pass


class LambdaContext:
    """What the Lambda runtime hands over beside the event."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000
% endif


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    db = Database(f"sqlite:///{tmp_path}/hearth.db")
    db.write(metadata.create_all)
    return Ledger(db, MemoryQueues())


def handle(ledger: Ledger, job: NewJob) -> JobState:
    """The state of a job after its notification was delivered twice."""
    (added,) = ledger.db.write(lambda tx: ledger.add(tx, [job]))
    body = json.dumps({"job_id": added.id, "kind": added.kind})
% if plugin:
    record = {
        "messageId": "1",
        "body": body,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:hearth-${slug}",
    }
    event: dict[str, Any] = {"Records": [record]}
% else:
    event: dict[str, Any] = load_event("${slug}/sqs_hint")
    event["Records"][0]["body"] = body
% endif
    handler = make_handler(ledger, ${title}Worker())
    for _ in range(2):
        assert handler(event, LambdaContext()) == {"batchItemFailures": []}
    found = ledger.get(added.id)
    assert found is not None
    return found.state


def test_a_job_is_done(ledger: Ledger) -> None:
    assert handle(ledger, new_job("some text", "first")) is JobState.DONE


def test_a_job_whose_payload_is_invalid_fails_visibly(ledger: Ledger) -> None:
    assert handle(ledger, new_job("", "empty")) is JobState.FAILED
