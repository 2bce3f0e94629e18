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
from tests.contract.events.town import Town

BOSS = Actor("01J0000000000000000000B0SS", manages=True)


def incident(town: Town) -> Any:
    [found] = Queries(town.stage).list_incidents(IncidentQuery(limit=10)).incidents
    return found


def report(town: Town) -> Any:
    [found] = ReportQueries(town.db, town.stage.store).list().reports
    return found


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_violation_becomes_a_report_and_a_task_and_the_task_closes_the_incident(
    town: Town, seed: int | None
) -> None:
    rng = None if seed is None else random.Random(seed)
    town.walk()
    town.work(rng)
    task_id = report(town).task_id
    assert incident(town).closed_at is None
    town.clock.advance(600)
    answer, _ = town.tasks.complete(BOSS, task_id, CompletionIn())
    source = answer.task.source
    assert source is not None
    assert (source.report_id, source.incident_id) == (report(town).id, incident(town).incident_id)
    town.work(rng)
    assert incident(town).closed_by_task == task_id
    assert format_time(incident(town).closed_at) == format_time(town.clock())
    assert town.unfinished() == []
    assert town.recorder.titles()[-1] == f"Task done: {answer.task.title}"
    if rng is None:
        # Nobody is notified of the report and the task after the violation; of their end, yes.
        assert len(town.recorder.sent) == 2


def test_a_task_that_is_completed_without_closing_leaves_the_incident_open(town: Town) -> None:
    town.walk()
    town.work()
    town.tasks.complete(BOSS, report(town).task_id, CompletionIn(close_incident=False))
    town.work()
    assert incident(town).closed_at is None
    assert town.unfinished() == []


def test_a_task_created_by_a_user_is_linked_to_no_incident(town: Town) -> None:
    from functions.tasks.schemas import TaskIn

    town.walk()
    answer, _ = town.tasks.create(BOSS, TaskIn(title="Sweep the yard"))
    town.work()
    town.tasks.complete(BOSS, answer.task.id, CompletionIn())
    town.work()
    assert report(town).task_id != answer.task.id
    assert incident(town).closed_at is None
    assert town.unfinished() == []
