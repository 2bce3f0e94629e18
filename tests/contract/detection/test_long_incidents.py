"""Long incidents are one, and people hear of an incident when it begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from functions.detection.queries import Queries
from functions.detection.schemas import IncidentQuery
from hearth.ledger.events import received
from tests.contract.detection.harness import DetectionHarness, frame_jpeg, notification
from tests.support.fakes import LambdaContext, sqs_event

ALERTS = ("safety.violation.started", "safety.violation.updated", "safety.violation.ended")
SUBSCRIBERS = {name: ["notifications"] for name in ALERTS} | {
    "safety.violation.detected": ["reports"]
}


@pytest.fixture
def alerting(harness: DetectionHarness) -> DetectionHarness:
    return DetectionHarness(harness.db, subscribers=SUBSCRIBERS)


def stand(harness: DetectionHarness, first: int, last: int, people: int = 1) -> None:
    for second in range(first, last):
        harness.upload(second, frame_jpeg(people))


def queries_of(harness: DetectionHarness) -> Queries:
    return Queries(
        SimpleNamespace(db=harness.db, store=harness.store, ledger=harness.ledger), str.encode
    )


def alerts(harness: DetectionHarness, kind: str) -> list[dict[str, Any]]:
    jobs = sorted(harness.jobs(f"safety.violation.{kind}"), key=lambda job: job.created_at)
    return [dict(received(job.payload).data) for job in jobs]


def test_who_stands_for_long_is_one_incident_with_linked_continuations(
    alerting: DetectionHarness,
) -> None:
    # Cut after 30 seconds each: 5 parts.
    stand(alerting, 0, 130)
    alerting.end(130)
    alerting.drain()
    alerting.pass_time(60)
    first, *others = alerting.incidents()
    assert len(others) == 4
    assert first.continuation_of is None
    assert {row.continuation_of for row in others} == {first.id}
    events = alerting.events()
    assert {event["incident_id"] for event in events} == {first.id}
    last = max(events, key=lambda event: event["revision"])
    assert last["revision"] == 5
    assert last["last_seen"] == events[-1]["last_seen"]
    assert (last["frames_observed"], last["persons_seen"]) == (130, 1)
    assert last["continuations"] == [row.id for row in others]
    assert last["violations"][0]["observations"] == 130
    assert last["end_reason"] == "stream_end"
    assert len(alerts(alerting, "started")) == 1
    assert [one["revision"] for one in alerts(alerting, "ended")] == [5]
    assert len(alerts(alerting, "updated")) <= 3


def test_continuations_are_listed_only_when_asked_for(alerting: DetectionHarness) -> None:
    stand(alerting, 0, 65)
    alerting.end(65)
    alerting.drain()
    alerting.pass_time(60)
    queries = queries_of(alerting)
    one = queries.list_incidents(IncidentQuery(limit=20, cursor=None)).incidents
    every = queries.list_incidents(
        IncidentQuery(limit=20, cursor=None, continuations=True)
    ).incidents
    assert (len(one), len(every)) == (1, 3)
    detail = queries.get_incident(one[0].incident_id)
    assert detail.continuations == tuple(row.incident_id for row in reversed(every[:2]))


def test_a_pause_begins_another_incident(alerting: DetectionHarness) -> None:
    stand(alerting, 0, 40)
    stand(alerting, 50, 60)
    alerting.end(60)
    alerting.drain()
    alerting.pass_time(60)
    first, continuation, other = alerting.incidents()
    assert (continuation.continuation_of, other.continuation_of) == (first.id, None)


def test_people_hear_of_an_incident_while_it_goes_on_with_a_picture(
    alerting: DetectionHarness,
) -> None:
    stand(alerting, 0, 3)
    alerting.drain()
    [started] = alerts(alerting, "started")
    assert started["violations"][0]["class_name"] == "restricted_zone"
    assert started["evidence"]["key"] in alerting.store.objects
    assert alerts(alerting, "ended") == alerting.events() == []
    queries = queries_of(alerting)
    _, jpeg = queries.get_evidence(started["incident_id"])
    assert jpeg == alerting.store.objects[started["evidence"]["key"]]


def test_more_frames_of_the_same_send_nothing_more_and_a_crowd_does(
    alerting: DetectionHarness,
) -> None:
    stand(alerting, 0, 10)
    alerting.drain()
    stand(alerting, 10, 14, people=3)
    alerting.drain()
    stand(alerting, 14, 20, people=3)
    alerting.drain()
    assert len(alerts(alerting, "started")) == 1
    assert [one["change"] for one in alerts(alerting, "updated")] == ["persons-2"]


def test_a_picture_that_is_gone_holds_back_no_alert(alerting: DetectionHarness) -> None:
    stand(alerting, 0, 3)
    worker = alerting.handler()
    notices, alerting.announced = alerting.announced, []
    # With so little time left, the alert comes over the queue.
    worker(sqs_event(*map(notification, notices)), LambdaContext(4))
    for key in [key for key in alerting.store.objects if key.startswith("frames/")]:
        del alerting.store.objects[key]
    alerting.drain(worker)
    [started] = alerts(alerting, "started")
    assert started["evidence"] is None


def test_the_alarm_leaves_with_the_frames_that_confirm_it_and_waits_behind_no_queue(
    alerting: DetectionHarness,
) -> None:
    stand(alerting, 0, 3)
    worker = alerting.handler()
    notices, alerting.announced = alerting.announced, []
    worker(sqs_event(*map(notification, notices)), LambdaContext())
    assert len(alerts(alerting, "started")) == 1
    # The queue's own notification of it finds nothing to do.
    alerting.drain(worker)
    assert len(alerts(alerting, "started")) == 1
    assert [job.state.value for job in alerting.jobs("detection.alert")] == ["done"]
