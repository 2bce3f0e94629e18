"""Domain events arrive by themselves, as jobs of the ledger."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from functions.analytics.repository.tables import events_table
from functions.analytics.worker import QUEUE
from hearth.declarations import events_for
from hearth.ledger.events import Event
from hearth.ledger.ledger import JobState, NewJob
from tests.contract.analytics.conftest import EVENT_TYPES, at
from tests.support.events import load_event
from tests.support.fakes import LambdaContext

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Harness


def created(number: int) -> Event:
    return Event("task.created", f"t{number}:1", at(6, number), f"t{number}", {"title": "Ask Ann"})


def test_every_subscribed_event_is_counted_with_its_source(harness: Harness) -> None:
    harness.publish(*(Event(name, "1", at(6), "x") for name in EVENT_TYPES))
    assert harness.deliver() == {"batchItemFailures": []}
    found = harness.get("/usage", metric=list(EVENT_TYPES), start_date="2026-11-02")["usage"]
    assert [point["count"] for point in found] == [1] * len(EVENT_TYPES)
    assert harness.ledger.summary() == {name: {"done": 1} for name in EVENT_TYPES}


def test_the_data_of_an_event_is_not_stored(harness: Harness) -> None:
    harness.publish(created(1))
    harness.deliver()
    row = harness.db.read(lambda tx: tx.execute(select(events_table)).one())
    assert (row.service, row.metadata, row.user_id) == ("tasks", {"subject": "t1"}, None)
    assert row.at == at(6, 1)


def test_repeated_and_shuffled_messages_count_each_event_once(harness: Harness) -> None:
    jobs = harness.publish(*map(created, range(8)))
    hints = [{"job_id": job.id, "kind": job.kind} for job in jobs] * 3
    random.Random(7).shuffle(hints)
    harness.queues.send("analytics", hints)
    harness.deliver()
    harness.deliver()
    assert harness.get("/usage")["total"] == 8


def test_the_same_event_in_another_job_is_counted_once(harness: Harness) -> None:
    (job,) = harness.publish(created(1))
    again = NewJob("task.created", "analytics", "another key", job.payload)
    harness.ledger.announce(harness.db.write(lambda tx: harness.ledger.add(tx, [again])))
    harness.deliver()
    assert harness.get("/usage")["total"] == 1


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"id": "1"},
        {"id": "1", "source": "/hearth/tasks", "type": "task.created", "time": "noon"},
        {"id": 1, "source": [], "type": "task.created", "time": "2026-11-02T07:00:00Z"},
        {"id": "1\x00", "source": "/hearth/tasks", "type": "x", "time": "2026-11-02T07:00:00Z"},
    ],
    ids=str,
)
def test_a_malformed_event_fails_alone_and_visibly(
    harness: Harness, payload: dict[str, object]
) -> None:
    bad = NewJob("task.created", "analytics", "bad", payload)
    jobs = harness.db.write(lambda tx: harness.ledger.add(tx, [bad]))
    harness.ledger.announce(jobs)
    harness.publish(created(1))
    assert harness.deliver() == {"batchItemFailures": []}
    assert harness.ledger.get(jobs[0].id).state is JobState.FAILED
    assert harness.get("/usage")["total"] == 1
    harness.clock.advance(1)
    (error,) = harness.get("/errors")["errors"]
    assert (error["type"], error["job_kind"]) == ("VALIDATION_ERROR", "task.created")


@pytest.mark.parametrize("year", [1, 1999, 2100])
def test_an_event_of_a_recording_with_a_wrong_date_is_done_and_not_counted(
    harness: Harness, year: int
) -> None:
    moment = at(6).replace(year=year)
    (job,) = harness.publish(Event("task.created", "t1:1", moment, "t1", {"title": "Ask Ann"}))
    harness.deliver()
    assert harness.ledger.get(job.id).state is JobState.DONE
    assert harness.get("/usage")["total"] == 0


def test_a_message_that_is_not_a_job_notification_is_recorded_and_deleted(harness: Harness) -> None:
    answer = harness.consumer(load_event("analytics/sqs_no_hint"), LambdaContext())
    assert answer == {"batchItemFailures": []}
    (job,) = harness.ledger.list().jobs
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "POST /api/v1/analytics/events" in job.error.message


def test_the_subscriptions_are_those_declared() -> None:
    assert set(events_for(QUEUE)) == set(EVENT_TYPES)


def test_nobody_subscribes_to_nothing() -> None:
    assert events_for("clustering") == ()
    assert events_for("tasks") == ("safety.incident.reviewed", "safety.report.ready")
