"""What a person says of an incident reaches its report, its task, its camera and other people."""

from __future__ import annotations

from typing import Any

import pytest

from functions.detection.queries import Queries
from functions.detection.schemas import IncidentQuery, ReviewIn
from functions.reports.queries import ReportQueries
from functions.tasks.repository import tasks
from hearth.errors import NotFound
from tests.contract.detection.harness import frame_jpeg, notification
from tests.contract.events.harness import EventHarness
from tests.support.callers import caller
from tests.support.fakes import LambdaContext, sqs_event


def review(harness: EventHarness, verdict: str, reason: str = "A mannequin") -> str:
    queries = Queries(harness.stage, str.encode)
    [incident] = queries.list_incidents(IncidentQuery(limit=10)).incidents
    given = ReviewIn.model_validate({"verdict": verdict, "reason": reason})
    identity = queries.reviews.review(incident.incident_id, given, caller())
    harness.clock.advance(1)
    harness.work()
    return identity


def task_of(harness: EventHarness) -> Any:
    [report] = ReportQueries(harness.db, harness.stage.store).list().reports
    return harness.db.read(lambda tx: tasks.get(tx, report.task_id, None))


def test_a_dismissed_incident_has_its_task_cancelled_and_its_report_says_so(
    harness: EventHarness,
) -> None:
    harness.walk()
    harness.work()
    sent = len(harness.recorder.sent)
    identity = review(harness, "dismissed")
    assert task_of(harness).status == "cancelled"
    [report] = ReportQueries(harness.db, harness.stage.store).list().reports
    assert (report.id, report.review, report.review_reason) == (
        identity,
        "dismissed",
        "A mannequin",
    )
    assert report.revision == 2
    queries = Queries(harness.stage, str.encode)
    assert queries.list_cameras().cameras[0].reviews == {"dismissed": 1}
    [kept] = queries.get_incident(identity).reviews
    assert (kept.verdict, kept.reviewed_by) == ("dismissed", caller().id)
    assert len(harness.recorder.sent) == sent
    assert harness.unfinished() == []


def test_a_dismissal_that_is_taken_back_reopens_the_task(harness: EventHarness) -> None:
    harness.walk()
    harness.work()
    review(harness, "dismissed")
    identity = review(harness, "verified", "It was Ben after all")
    assert task_of(harness).status == "pending"
    assert Queries(harness.stage, str.encode).list_cameras().cameras[0].reviews == {"verified": 1}
    kept = Queries(harness.stage, str.encode).get_incident(identity).reviews
    assert [one.verdict for one in kept] == ["dismissed", "verified"]


def test_an_escalated_incident_has_an_urgent_task_and_people_are_told(
    harness: EventHarness,
) -> None:
    harness.walk()
    harness.work()
    review(harness, "escalated", "He is hurt")
    assert task_of(harness).priority == "urgent"
    assert harness.recorder.titles()[-1] == "Incident escalated at gate"


def test_an_incident_that_is_dismissed_while_it_goes_on_makes_no_task(
    harness: EventHarness,
) -> None:
    keys = [harness.stage.upload(n / 5, frame_jpeg(1, 7)) for n in range(5)]
    harness.stage.announced = []
    messages = [notification(key) for key in keys]
    harness.functions["detection"](sqs_event(*messages), LambdaContext(60))
    harness.work()
    review(harness, "dismissed")
    end = harness.stage.end(1)
    harness.stage.announced = []
    harness.functions["detection"](sqs_event(notification(end)), LambdaContext(60))
    harness.work()
    [report] = ReportQueries(harness.db, harness.stage.store).list().reports
    assert (report.review, report.task_id) == ("dismissed", None)


def test_an_incident_that_does_not_exist_cannot_be_reviewed(harness: EventHarness) -> None:
    given = ReviewIn(verdict="verified", reason="x")
    with pytest.raises(NotFound):
        Queries(harness.stage, str.encode).reviews.review(
            "01M6DJMH588QAEWKQFCCCP2758", given, caller()
        )
