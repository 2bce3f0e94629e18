"""One subscriber that fails disturbs no other, and a person has it tried again: on real queues."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest

from hearth.aws import client
from hearth.db import Database
from hearth.ledger.ledger import JobState
from hearth.ledger.queues import SqsQueues
from hearth.settings import AwsSettings
from tests.contract.events.harness import QUEUES, EventHarness


class RealPost:
    """Queues of a server that speaks SQS."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs
        prefix = f"{uuid4().hex}-"
        self._urls = {
            name: sqs.create_queue(QueueName=f"{prefix}{name}")["QueueUrl"] for name in QUEUES
        }
        self._queues = SqsQueues(sqs, prefix)

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None:
        # The harness's clock is not the server's: what is due later, the sweep sends.
        if delay_s == 0:
            self._queues.send(queue, bodies)

    def receive(self, queue: str) -> list[dict[str, Any]]:
        bodies = []
        while messages := self._sqs.receive_message(
            QueueUrl=self._urls[queue], MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                self._sqs.delete_message(
                    QueueUrl=self._urls[queue], ReceiptHandle=message["ReceiptHandle"]
                )
        return bodies


@pytest.fixture
def harness(
    sqlite_url: str, ministack_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EventHarness]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    db = Database(sqlite_url)
    yield EventHarness(
        db, RealPost(client("sqs", AwsSettings(aws_endpoint_url=ministack_endpoint)))
    )
    db.close()


def test_a_failing_subscriber_is_retried_then_listed_as_failed_and_affects_no_other(
    harness: EventHarness,
) -> None:
    harness.reports.store.offline = True
    harness.walk()
    harness.work()
    jobs = harness.jobs("safety.violation.detected")
    assert {queue: job.state for queue, job in jobs.items()} == {
        "analytics": JobState.DONE,
        "notifications": JobState.DONE,
        "reports": JobState.QUEUED,
    }
    # That it begins and that it ends.
    assert len(harness.recorder.sent) == 2
    job, waits = jobs["reports"], []
    for _ in range(job.max_attempts - 1):
        waits.append((harness.ledger.get(job.id).available_at - harness.clock()).total_seconds())
        harness.pass_time(waits[-1] + 1)
    assert waits == [2, 4, 8, 16]
    failed = harness.ledger.get(job.id)
    assert (failed.state, failed.error and failed.error.code) == (JobState.FAILED, "UNAVAILABLE")
    assert [one.id for one in harness.unfinished()] == [job.id]
    assert harness.jobs("safety.report.ready") == {}
    # A person sees it, mends the cause, and asks for another try.
    harness.reports.store.offline = False
    assert harness.retry(failed) == 200
    harness.work()
    assert harness.unfinished() == []
    assert set(harness.jobs("safety.report.ready")) == {"analytics", "notifications", "tasks"}
    assert harness.retry(failed) == 409
