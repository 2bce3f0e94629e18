"""Reports tell that they are ready, and know their tasks, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from functions.reports.archive import ReportArchive
from hearth.errors import NotFound
from hearth.ledger.events import Event, Publisher, received
from hearth.ledger.ledger import JobState, NewJob
from tests.contract.reports.conftest import Bench

ID = "01KASVZEBRY4C1W9T6P0X2K8MD"
FIRST, SECOND = "01KASVZEBRY4C1W9T6P0X2K8M1", "01KASVZEBRY4C1W9T6P0X2K8M2"
READY = "safety.report.ready"


def created(bench: Bench, task_id: str = FIRST, **changes: Any) -> NewJob:
    """The job in which reports hears of a task."""
    source = {"type": "report", "report_id": ID, "incident_id": ID}
    data = {"task_id": task_id, "title": "Hand out helmets", "source": source} | changes
    told = Event("task.created", task_id, bench.clock(), task_id, data)
    (job,) = Publisher("tasks", {told.type: ["reports"]}).jobs(told)
    return job


def task_of(bench: Bench) -> str | None:
    return ReportArchive(bench.db, bench.store).get(ID).task_id


def test_every_subscriber_is_told_that_a_report_is_ready_once_for_each_revision(
    bench: Bench,
) -> None:
    for revision in (1, 2, 1, 2):
        bench.add(revision=revision)
        bench.run()
    told = bench.jobs(READY)
    assert sorted(job.dedupe_key for job in told) == [
        f"event:{READY}:{ID}:{revision}:{queue}"
        for revision in (1, 2)
        for queue in ("analytics", "tasks")
    ]
    event = received(told[0].payload)
    assert (event.type, event.subject, event.version) == (READY, ID, 1)
    assert event.time == bench.clock()
    assert event.data["pdf_key"] == f"reports/{ID}.pdf"
    assert event.data["classes"] == ["no_helmet", "no_vest"]
    assert len(event.data["corrective_actions"]) >= 4


def test_an_overtaken_revision_is_told_to_nobody(bench: Bench) -> None:
    bench.add(revision=2)
    bench.run()
    bench.add(revision=1)
    bench.run()
    assert {job.dedupe_key for job in bench.jobs(READY)} == {
        f"event:{READY}:{ID}:2:analytics",
        f"event:{READY}:{ID}:2:tasks",
    }


def test_a_report_knows_the_task_that_was_made_for_it(bench: Bench) -> None:
    bench.add()
    bench.run()
    assert task_of(bench) is None
    bench.put(created(bench))
    bench.run()
    assert task_of(bench) == FIRST
    [summary] = ReportArchive(bench.db, bench.store).list().reports
    assert summary.task_id == FIRST


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)], ids=str)
def test_of_two_tasks_the_one_that_was_made_first_counts(
    bench: Bench, order: tuple[str, str]
) -> None:
    bench.add()
    bench.run()
    for task_id in order:
        bench.put(created(bench, task_id))
        bench.run()
    assert task_of(bench) == FIRST


def test_a_new_revision_of_a_report_keeps_its_task(bench: Bench) -> None:
    bench.add()
    bench.run()
    bench.put(created(bench))
    bench.run()
    bench.add(revision=2)
    bench.run()
    assert task_of(bench) == FIRST
    assert ReportArchive(bench.db, bench.store).get(ID).revision == 2


@pytest.mark.parametrize("source", [None, {"type": "report"}], ids=str)
def test_a_task_that_was_made_for_no_report_is_none_of_our_business(
    bench: Bench, source: Any
) -> None:
    bench.put(created(bench, source=source))
    bench.run()
    assert bench.states("task.created") == [JobState.DONE]


def test_a_task_of_a_report_that_does_not_exist_fails_visibly_and_can_be_retried(
    bench: Bench,
) -> None:
    job = bench.put(created(bench))
    bench.run()
    failed = bench.ledger.get(job.id)
    assert (failed.state, failed.error and failed.error.code) == (JobState.FAILED, NotFound.code)
    bench.add()
    bench.run()
    bench.ledger.retry(job.id)
    bench.run()
    assert task_of(bench) == FIRST


def test_an_event_that_names_no_task_fails_visibly(bench: Bench) -> None:
    job = bench.put(created(bench, "not an id"))
    bench.run()
    failed = bench.ledger.get(job.id)
    assert failed.error is not None
    assert "task_id" in failed.error.message


def test_a_very_long_narrative_still_fits_into_the_event(bench: Bench) -> None:
    from functions.reports.schemas import Narrative
    from functions.reports.service import report_ready
    from tests.support.report_events import incident

    longest = Narrative(
        summary="\U0001f525" * 6_000,
        hazards=("x",),
        corrective_actions=("\U0001f525" * 1_000,) * 40,
        follow_up=("y",),
        source="llm",
    )
    event = report_ready(incident(), longest, "reports/x.pdf", bench.clock())
    (job,) = Publisher("reports", {READY: ["tasks"]}).jobs(event)
    actions = received(job.payload).data["corrective_actions"]
    assert {len(action) for action in actions} == {350}
