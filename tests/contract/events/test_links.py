"""Incident, report and task know each other, whatever order they hear of each other in."""

from __future__ import annotations

import random
from typing import Any

import pytest

from functions.detection.queries import Queries
from functions.detection.schemas import IncidentQuery
from functions.reports.queries import ReportQueries
from functions.tasks.schemas import CompletionIn
from functions.tasks.task import Actor
from hearth.ids import format_time
from tests.contract.events.harness import EventHarness

BOSS = Actor("01J0000000000000000000B0SS", manages=True)


def incident(harness: EventHarness) -> Any:
    [found] = Queries(harness.stage, str.encode).list_incidents(IncidentQuery(limit=10)).incidents
    return found


def report(harness: EventHarness) -> Any:
    [found] = ReportQueries(harness.db, harness.stage.store).list().reports
    return found


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_violation_becomes_a_report_and_a_task_and_the_task_closes_the_incident(
    harness: EventHarness, seed: int | None
) -> None:
    rng = None if seed is None else random.Random(seed)
    harness.walk()
    harness.work(rng)
    task_id = report(harness).task_id
    assert incident(harness).closed_at is None
    harness.clock.advance(600)
    answer, _ = harness.tasks.complete(BOSS, task_id, CompletionIn())
    source = answer.task.source
    assert source is not None
    assert (source.report_id, source.incident_id) == (
        report(harness).id,
        incident(harness).incident_id,
    )
    harness.work(rng)
    assert incident(harness).closed_by_task == task_id
    assert format_time(incident(harness).closed_at) == format_time(harness.clock())
    assert harness.unfinished() == []
    assert harness.recorder.titles()[-1] == f"Task done: {answer.task.title}"
    if rng is None:
        # Nobody is notified of the report and the task after the violation; of its end and the
        # task's, yes.
        assert len(harness.recorder.sent) == 3


def test_a_task_that_is_completed_without_closing_leaves_the_incident_open(
    harness: EventHarness,
) -> None:
    harness.walk()
    harness.work()
    harness.tasks.complete(BOSS, report(harness).task_id, CompletionIn(close_incident=False))
    harness.work()
    assert incident(harness).closed_at is None
    assert harness.unfinished() == []


def test_a_task_created_by_a_user_is_linked_to_no_incident(harness: EventHarness) -> None:
    from functions.tasks.schemas import TaskIn

    harness.walk()
    answer, _ = harness.tasks.create(BOSS, TaskIn(title="Sweep the yard"))
    harness.work()
    harness.tasks.complete(BOSS, answer.task.id, CompletionIn())
    harness.work()
    assert report(harness).task_id != answer.task.id
    assert incident(harness).closed_at is None
    assert harness.unfinished() == []
