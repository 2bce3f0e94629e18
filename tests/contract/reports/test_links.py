"""Reports tell that they are ready, and know their tasks, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from functions.reports.queries import ReportQueries
from hearth.errors import NotFound
from hearth.ledger.events import Event, Publisher, received
from hearth.ledger.ledger import JobState, NewJob
from tests.contract.reports.conftest import Harness

ID = "01KASVZEBRY4C1W9T6P0X2K8MD"
FIRST, SECOND = "01KASVZEBRY4C1W9T6P0X2K8M1", "01KASVZEBRY4C1W9T6P0X2K8M2"
READY = "safety.report.ready"


def created(harness: Harness, task_id: str = FIRST, **changes: Any) -> NewJob:
    """The job in which reports hears of a task."""
    source = {"type": "report", "report_id": ID, "incident_id": ID}
    data = {"task_id": task_id, "title": "Hand out helmets", "source": source} | changes
    told = Event("task.created", task_id, harness.clock(), task_id, data)
    (job,) = Publisher("tasks", {told.type: ["reports"]}).jobs(told)
    return job


def task_of(harness: Harness) -> str | None:
    return ReportQueries(harness.db, harness.store).get(ID).task_id


def test_every_subscriber_gets_one_event_for_each_revision(
    harness: Harness,
) -> None:
    for revision in (1, 2, 1, 2):
        harness.add(revision=revision)
        harness.run()
    told = harness.jobs(READY)
    assert sorted(job.dedupe_key for job in told) == [
        f"event:{READY}:{ID}:{revision}:{queue}"
        for revision in (1, 2)
        for queue in ("analytics", "tasks")
    ]
    event = received(told[0].payload)
    assert (event.type, event.subject, event.version) == (READY, ID, 1)
    assert event.time == harness.clock()
    assert event.data["pdf_key"] == f"reports/{ID}.pdf"
    assert event.data["classes"] == ["no_helmet", "no_vest"]
    assert len(event.data["corrective_actions"]) >= 4


def test_an_outdated_revision_emits_no_event(harness: Harness) -> None:
    harness.add(revision=2)
    harness.run()
    harness.add(revision=1)
    harness.run()
    assert {job.dedupe_key for job in harness.jobs(READY)} == {
        f"event:{READY}:{ID}:2:analytics",
        f"event:{READY}:{ID}:2:tasks",
    }


def test_a_report_is_linked_to_its_task(harness: Harness) -> None:
    harness.add()
    harness.run()
    assert task_of(harness) is None
    harness.put(created(harness))
    harness.run()
    assert task_of(harness) == FIRST
    [summary] = ReportQueries(harness.db, harness.store).list().reports
    assert summary.task_id == FIRST


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)], ids=str)
def test_of_two_tasks_the_one_created_first_is_linked(
    harness: Harness, order: tuple[str, str]
) -> None:
    harness.add()
    harness.run()
    for task_id in order:
        harness.put(created(harness, task_id))
        harness.run()
    assert task_of(harness) == FIRST


def test_a_new_revision_of_a_report_keeps_its_task(harness: Harness) -> None:
    harness.add()
    harness.run()
    harness.put(created(harness))
    harness.run()
    harness.add(revision=2)
    harness.run()
    assert task_of(harness) == FIRST
    assert ReportQueries(harness.db, harness.store).get(ID).revision == 2


@pytest.mark.parametrize("source", [None, {"type": "report"}], ids=str)
def test_a_task_without_a_report_is_ignored(harness: Harness, source: Any) -> None:
    harness.put(created(harness, source=source))
    harness.run()
    assert harness.states("task.created") == [JobState.DONE]


def test_a_task_of_a_report_that_does_not_exist_fails_visibly_and_can_be_retried(
    harness: Harness,
) -> None:
    job = harness.put(created(harness))
    harness.run()
    failed = harness.ledger.get(job.id)
    assert (failed.state, failed.error and failed.error.code) == (JobState.FAILED, NotFound.code)
    harness.add()
    harness.run()
    harness.ledger.retry(job.id)
    harness.run()
    assert task_of(harness) == FIRST


def test_an_event_without_a_task_fails_visibly(harness: Harness) -> None:
    job = harness.put(created(harness, "not an id"))
    harness.run()
    failed = harness.ledger.get(job.id)
    assert failed.error is not None
    assert "task_id" in failed.error.message


def test_a_very_long_narrative_still_fits_into_the_event(harness: Harness) -> None:
    from functions.reports.schemas import Narrative
    from functions.reports.worker import report_ready
    from tests.support.report_events import incident

    longest = Narrative(
        summary="\U0001f525" * 6_000,
        hazards=("x",),
        corrective_actions=("\U0001f525" * 1_000,) * 40,
        follow_up=("y",),
        source="llm",
    )
    event = report_ready(incident(), longest, "reports/x.pdf", harness.clock())
    (job,) = Publisher("reports", {READY: ["tasks"]}).jobs(event)
    actions = received(job.payload).data["corrective_actions"]
    assert {len(action) for action in actions} == {350}
