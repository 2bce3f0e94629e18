"""A completed task closes its incident, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import delete, select

from functions.detection.queries import Queries
from functions.detection.repository.tables import closings
from functions.detection.schemas import IncidentDetailOut, IncidentQuery
from hearth import migrations
from hearth.db import Database
from hearth.ledger.events import Event, Publisher
from hearth.ledger.ledger import Job, JobState, jobs_table
from tests.contract.detection.stage import Stage, picture

FIRST, SECOND = "01KASVZEBRY4C1W9T6P0X2K8M1", "01KASVZEBRY4C1W9T6P0X2K8M2"


def incident(stage: Stage) -> str:
    """One that has ended."""
    for n in range(25):
        stage.upload(n / 5, picture(0 if n < 5 or n >= 20 else 1, 7))
    stage.end(4.8)
    stage.drain()
    [row] = stage.incidents()
    return str(row.id)


def completed(stage: Stage, incident_id: str | None, at: datetime, **changes: Any) -> Job:
    """The job in which detection hears of it."""
    source = {"type": "report", "report_id": incident_id, "incident_id": incident_id}
    data = {
        "task_id": FIRST,
        "title": "Hand out helmets",
        "completed_by": "01KASVZEBRY4C1W9T6P0X2K8U1",
        "completed_at": at.isoformat(),
        "seconds_open": 60.0,
        "close_incident": True,
        "source": source if incident_id else None,
    } | changes
    told = Event("task.completed", f"{data['task_id']}:{at.isoformat()}", at, FIRST, data)
    new = Publisher("tasks", {told.type: ["detection"]}).jobs(told)
    [job] = stage.db.write(lambda tx: stage.ledger.add(tx, new))
    stage.ledger.announce([job])
    stage.drain()
    return stage.ledger.get(job.id)


def shown(stage: Stage, incident_id: str) -> IncidentDetailOut:
    return Queries(Place(stage)).get_incident(incident_id)


class Place:
    """What `Queries` stands on."""

    def __init__(self, stage: Stage) -> None:
        self.db, self.store = stage.db, stage.store


def listed(stage: Stage, closed: bool | None) -> list[str]:
    page = Queries(Place(stage)).list_incidents(IncidentQuery(closed=closed, limit=10))
    return [one.incident_id for one in page.incidents]


def test_a_completed_task_closes_its_incident(stage: Stage) -> None:
    incident_id = incident(stage)
    assert (shown(stage, incident_id).closed_at, listed(stage, True)) == (None, [])
    assert completed(stage, incident_id, stage.at(60)).state is JobState.DONE
    detail = shown(stage, incident_id)
    assert (detail.closed_at, detail.closed_by_task) == (stage.at(60), FIRST)
    assert detail.state == "ended"
    assert (listed(stage, True), listed(stage, False)) == ([incident_id], [])
    assert listed(stage, None) == [incident_id]


@pytest.mark.parametrize("changes", [{"close_incident": False}, {"source": None}], ids=str)
def test_a_task_that_does_not_ask_for_it_closes_nothing(
    stage: Stage, changes: dict[str, Any]
) -> None:
    incident_id = incident(stage)
    assert completed(stage, incident_id, stage.at(60), **changes).state is JobState.DONE
    assert shown(stage, incident_id).closed_at is None


def test_an_incident_that_nobody_knows_is_left_alone(stage: Stage) -> None:
    assert completed(stage, SECOND, stage.at(60)).state is JobState.DONE
    assert stage.incidents() == []


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_task_that_was_completed_first_counts_in_any_order(
    stage: Stage, order: tuple[int, ...]
) -> None:
    incident_id = incident(stage)
    told = [(FIRST, 90), (SECOND, 60), (SECOND, 120)]
    for index in order:
        task_id, second = told[index]
        completed(stage, incident_id, stage.at(second), task_id=task_id)
    detail = shown(stage, incident_id)
    assert (detail.closed_at, detail.closed_by_task) == (stage.at(60), SECOND)


def test_late_frames_change_a_closed_incident_and_leave_it_closed(stage: Stage) -> None:
    incident_id = incident(stage)
    completed(stage, incident_id, stage.at(60))
    stage.upload(2.05, picture(1, 7))
    stage.drain()
    stage.pass_time(60)
    detail = shown(stage, incident_id)
    assert (detail.revision, detail.frames_observed) == (2, 16)
    assert (detail.closed_at, detail.closed_by_task) == (stage.at(60), FIRST)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"completed_at": "yesterday"}, "completed_at"),
        ({"completed_at": "2026-11-02T07:30:00"}, "completed_at"),
        ({"close_incident": "perhaps"}, "close_incident"),
        ({"task_id": ""}, "task_id"),
    ],
    ids=str,
)
def test_an_event_that_says_nothing_of_use_fails_visibly(
    stage: Stage, changes: dict[str, Any], words: str
) -> None:
    job = completed(stage, SECOND, stage.at(60), **changes)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert words in job.error.message


def test_every_subscriber_is_told_once_for_each_revision(stage: Stage) -> None:
    incident_id = incident(stage)
    stage.upload(2.05, picture(1, 7))
    stage.drain()
    stage.pass_time(60)
    told = [job.dedupe_key for job in stage.jobs("safety.violation.detected")]
    assert told == [
        f"event:safety.violation.detected:{incident_id}:{revision}:{queue}"
        for revision in (1, 2)
        for queue in ("analytics", "reports")
    ]
    assert stage.start + timedelta(seconds=3.8) == shown(stage, incident_id).last_seen


def reopened(stage: Stage, incident_id: str | None, at: datetime, task_id: str = FIRST) -> Job:
    """The job in which detection hears that a task is to be done again."""
    source = {"type": "report", "report_id": incident_id, "incident_id": incident_id}
    data = {
        "task_id": task_id,
        "title": "Hand out helmets",
        "reopened_by": "01KASVZEBRY4C1W9T6P0X2K8U1",
        "reopened_at": at.isoformat(),
        "source": source if incident_id else None,
    }
    told = Event("task.reopened", f"{task_id}:{at.isoformat()}", at, task_id, data)
    new = Publisher("tasks", {told.type: ["detection"]}).jobs(told)
    [job] = stage.db.write(lambda tx: stage.ledger.add(tx, new))
    stage.ledger.announce([job])
    stage.drain()
    return stage.ledger.get(job.id)


# What is told of tasks (task, second, whether it was reopened), and by what the incident is closed.
STORIES: list[tuple[list[tuple[str, int, bool]], tuple[str, int] | None]] = [
    ([(FIRST, 60, False), (FIRST, 90, True)], None),
    ([(FIRST, 60, False), (FIRST, 90, True), (FIRST, 120, False)], (FIRST, 120)),
    ([(FIRST, 60, False), (SECOND, 70, False), (FIRST, 90, True)], (SECOND, 70)),
    ([(FIRST, 60, False), (FIRST, 60, True)], None),
    ([(FIRST, 60, True), (SECOND, 50, False)], (SECOND, 50)),
]


@pytest.mark.parametrize(("story", "closed_by"), STORIES, ids=str)
def test_a_reopened_task_opens_its_incident_in_whichever_order_it_is_told(
    stage: Stage, story: list[tuple[str, int, bool]], closed_by: tuple[str, int] | None
) -> None:
    incident_id = incident(stage)
    for order in permutations(story):
        stage.db.write(lambda tx: tx.execute(delete(closings)))
        stage.db.write(
            lambda tx: tx.execute(delete(jobs_table).where(jobs_table.c.kind.like("task.%")))
        )
        for task_id, second, again in [*order, order[0]]:
            if again:
                assert reopened(stage, incident_id, stage.at(second), task_id).error is None
            else:
                completed(stage, incident_id, stage.at(second), task_id=task_id)
        detail = shown(stage, incident_id)
        expected = (None, None) if closed_by is None else (stage.at(closed_by[1]), closed_by[0])
        assert (detail.closed_at, detail.closed_by_task) == expected, order


def test_a_reopened_task_without_an_incident_changes_nothing(stage: Stage) -> None:
    assert reopened(stage, None, stage.at(60)).state is JobState.DONE
    assert reopened(stage, SECOND, stage.at(60)).state is JobState.DONE
    assert stage.db.read(lambda tx: tx.execute(select(closings)).all()) == []


def test_incidents_that_were_closed_before_can_be_opened_again(stage: Stage) -> None:
    incident_id = incident(stage)
    completed(stage, incident_id, stage.at(60))
    downgrade(stage.db, "0012")
    migrations.upgrade(stage.db.engine.url.render_as_string(hide_password=False))
    assert shown(stage, incident_id).closed_by_task == FIRST
    reopened(stage, incident_id, stage.at(60), SECOND)
    assert shown(stage, incident_id).closed_by_task == FIRST
    reopened(stage, incident_id, stage.at(90))
    assert shown(stage, incident_id).closed_at is None


def downgrade(db: Database, revision: str) -> None:
    """Take the schema back."""
    config = Config(attributes={"database": db})
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    command.downgrade(config, revision)
