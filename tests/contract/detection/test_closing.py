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
from tests.contract.detection.harness import DetectionHarness, frame_jpeg

FIRST, SECOND = "01KASVZEBRY4C1W9T6P0X2K8M1", "01KASVZEBRY4C1W9T6P0X2K8M2"


def incident(harness: DetectionHarness) -> str:
    """One that has ended."""
    for n in range(25):
        harness.upload(n / 5, frame_jpeg(0 if n < 5 or n >= 20 else 1, 7))
    harness.end(4.8)
    harness.drain()
    [row] = harness.incidents()
    return str(row.id)


def completed(
    harness: DetectionHarness, incident_id: str | None, at: datetime, **changes: Any
) -> Job:
    """Deliver task.completed."""
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
    return deliver(harness, "task.completed", at, data)


def deliver(harness: DetectionHarness, event_type: str, at: datetime, data: dict[str, Any]) -> Job:
    """The job of a task event, after detection has worked on it."""
    event = Event(event_type, f"{data['task_id']}:{at.isoformat()}", at, data["task_id"], data)
    new = Publisher("tasks", {event.type: ["detection"]}).jobs(event)
    [job] = harness.db.write(lambda tx: harness.ledger.add(tx, new))
    harness.ledger.announce([job])
    harness.drain()
    return harness.ledger.get(job.id)


def shown(harness: DetectionHarness, incident_id: str) -> IncidentDetailOut:
    return Queries(Place(harness), str.encode).get_incident(incident_id)


class Place:
    """What `Queries` stands on."""

    def __init__(self, harness: DetectionHarness) -> None:
        self.db, self.store = harness.db, harness.store


def listed(harness: DetectionHarness, closed: bool | None) -> list[str]:
    page = Queries(Place(harness), str.encode).list_incidents(
        IncidentQuery(closed=closed, limit=10)
    )
    return [one.incident_id for one in page.incidents]


def test_a_completed_task_closes_its_incident(harness: DetectionHarness) -> None:
    incident_id = incident(harness)
    assert (shown(harness, incident_id).closed_at, listed(harness, True)) == (None, [])
    assert completed(harness, incident_id, harness.at(60)).state is JobState.DONE
    detail = shown(harness, incident_id)
    assert (detail.closed_at, detail.closed_by_task) == (harness.at(60), FIRST)
    assert detail.state == "ended"
    assert (listed(harness, True), listed(harness, False)) == ([incident_id], [])
    assert listed(harness, None) == [incident_id]


@pytest.mark.parametrize("changes", [{"close_incident": False}, {"source": None}], ids=str)
def test_a_task_without_close_incident_closes_no_incident(
    harness: DetectionHarness, changes: dict[str, Any]
) -> None:
    incident_id = incident(harness)
    assert completed(harness, incident_id, harness.at(60), **changes).state is JobState.DONE
    assert shown(harness, incident_id).closed_at is None


def test_a_task_of_an_unknown_incident_is_skipped(harness: DetectionHarness) -> None:
    assert completed(harness, SECOND, harness.at(60)).state is JobState.DONE
    assert harness.incidents() == []


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_task_that_was_completed_first_counts_in_any_order(
    harness: DetectionHarness, order: tuple[int, ...]
) -> None:
    incident_id = incident(harness)
    completions = [(FIRST, 90), (SECOND, 60), (SECOND, 120)]
    for index in order:
        task_id, second = completions[index]
        completed(harness, incident_id, harness.at(second), task_id=task_id)
    detail = shown(harness, incident_id)
    assert (detail.closed_at, detail.closed_by_task) == (harness.at(60), SECOND)


def test_late_frames_change_a_closed_incident_and_leave_it_closed(
    harness: DetectionHarness,
) -> None:
    incident_id = incident(harness)
    completed(harness, incident_id, harness.at(60))
    harness.upload(2.05, frame_jpeg(1, 7))
    harness.drain()
    harness.pass_time(60)
    detail = shown(harness, incident_id)
    assert (detail.revision, detail.frames_observed) == (2, 16)
    assert (detail.closed_at, detail.closed_by_task) == (harness.at(60), FIRST)


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
def test_an_invalid_task_event_fails_visibly(
    harness: DetectionHarness, changes: dict[str, Any], words: str
) -> None:
    job = completed(harness, SECOND, harness.at(60), **changes)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert words in job.error.message


def test_each_revision_is_one_event_for_each_subscriber(harness: DetectionHarness) -> None:
    incident_id = incident(harness)
    harness.upload(2.05, frame_jpeg(1, 7))
    harness.drain()
    harness.pass_time(60)
    keys = [job.dedupe_key for job in harness.jobs("safety.violation.detected")]
    assert keys == [
        f"event:safety.violation.detected:{incident_id}:{revision}:{queue}"
        for revision in (1, 2)
        for queue in ("analytics", "reports")
    ]
    assert harness.start + timedelta(seconds=3.8) == shown(harness, incident_id).last_seen


def reopened(
    harness: DetectionHarness, incident_id: str | None, at: datetime, task_id: str = FIRST
) -> Job:
    """Deliver task.reopened."""
    source = {"type": "report", "report_id": incident_id, "incident_id": incident_id}
    data = {
        "task_id": task_id,
        "title": "Hand out helmets",
        "reopened_by": "01KASVZEBRY4C1W9T6P0X2K8U1",
        "reopened_at": at.isoformat(),
        "source": source if incident_id else None,
    }
    return deliver(harness, "task.reopened", at, data)


# Events of tasks (task, second, whether it was reopened), and what closes the incident.
STORIES: list[tuple[list[tuple[str, int, bool]], tuple[str, int] | None]] = [
    ([(FIRST, 60, False), (FIRST, 90, True)], None),
    ([(FIRST, 60, False), (FIRST, 90, True), (FIRST, 120, False)], (FIRST, 120)),
    ([(FIRST, 60, False), (SECOND, 70, False), (FIRST, 90, True)], (SECOND, 70)),
    ([(FIRST, 60, False), (FIRST, 60, True)], None),
    ([(FIRST, 60, True), (SECOND, 50, False)], (SECOND, 50)),
]


@pytest.mark.parametrize(("story", "closed_by"), STORIES, ids=str)
def test_a_reopened_task_reopens_its_incident_in_any_order_of_events(
    harness: DetectionHarness, story: list[tuple[str, int, bool]], closed_by: tuple[str, int] | None
) -> None:
    incident_id = incident(harness)
    for order in permutations(story):
        harness.db.write(lambda tx: tx.execute(delete(closings)))
        harness.db.write(
            lambda tx: tx.execute(delete(jobs_table).where(jobs_table.c.kind.like("task.%")))
        )
        for task_id, second, again in [*order, order[0]]:
            if again:
                assert reopened(harness, incident_id, harness.at(second), task_id).error is None
            else:
                completed(harness, incident_id, harness.at(second), task_id=task_id)
        detail = shown(harness, incident_id)
        expected = (None, None) if closed_by is None else (harness.at(closed_by[1]), closed_by[0])
        assert (detail.closed_at, detail.closed_by_task) == expected, order


def test_a_reopened_task_without_an_incident_changes_nothing(harness: DetectionHarness) -> None:
    assert reopened(harness, None, harness.at(60)).state is JobState.DONE
    assert reopened(harness, SECOND, harness.at(60)).state is JobState.DONE
    assert harness.db.read(lambda tx: tx.execute(select(closings)).all()) == []


def test_incidents_that_were_closed_before_can_be_opened_again(harness: DetectionHarness) -> None:
    incident_id = incident(harness)
    completed(harness, incident_id, harness.at(60))
    downgrade(harness.db, "0012")
    migrations.upgrade(harness.db.engine.url.render_as_string(hide_password=False))
    assert shown(harness, incident_id).closed_by_task == FIRST
    reopened(harness, incident_id, harness.at(60), SECOND)
    assert shown(harness, incident_id).closed_by_task == FIRST
    reopened(harness, incident_id, harness.at(90))
    assert shown(harness, incident_id).closed_at is None


def downgrade(db: Database, revision: str) -> None:
    """Take the schema back."""
    config = Config(attributes={"database": db})
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    command.downgrade(config, revision)
