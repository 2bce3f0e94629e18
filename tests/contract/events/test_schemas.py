"""The schemas of events: in step with the code, and true of what is really published."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator

from functions.detection.incidents.reviewing import ReviewService
from functions.detection.policy import parse_policy
from functions.detection.schemas import CompletedTask, ReviewIn
from functions.notifications.notices import EVENTS, notice_of
from functions.reports.messages import read_event, read_task
from hearth.db import Database
from hearth.declarations import SUBSCRIBERS
from hearth.ledger.events import Event, received
from hearth.ledger.ledger import Job
from scripts import event_schemas
from tests.contract.detection.harness import DetectionHarness, frame_jpeg
from tests.contract.reports.conftest import Harness
from tests.contract.tasks.harness import BOSS
from tests.contract.tasks.harness import Harness as TaskHarness
from tests.support.callers import caller
from tests.support.databases import migrated_sqlite

WATCHED = b"defaults: {required: [], restricted: true, silent_after_s: 60}"
TYPES = sorted(event_schemas.MODELS)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Job]]]:
    """What the producers' own code publishes, by `dataschema`."""
    url = migrated_sqlite(tmp_path_factory.mktemp("events") / "hearth.db")
    db = Database(url)
    _detect(DetectionHarness(db, parse_policy(WATCHED), subscribers=SUBSCRIBERS))
    harness = Harness(db)
    harness.add()
    harness.run()
    _live(TaskHarness(db))
    found: dict[str, list[Job]] = {}
    for name in TYPES:
        jobs = harness.jobs(name.rpartition(".v")[0])
        found[name] = [job for job in jobs if job.payload["dataschema"] == name]
    yield found
    db.close()


def _detect(stage: DetectionHarness) -> None:
    """Somebody comes, others follow; the camera falls silent, and is back until its end."""
    for n in range(25):
        stage.upload(n / 5, frame_jpeg(0 if n < 5 or n >= 20 else 1, 7))
    stage.drain()
    for n in range(13, 17):
        stage.upload(n / 5 + 0.1, frame_jpeg(3, 7))
    stage.drain()
    [incident, *_] = stage.incidents()
    given = ReviewIn(verdict="verified", reason="I saw him")
    ReviewService(stage.ledger).review(incident.id, given, caller())
    stage.pass_time(61)
    stage.upload(62, frame_jpeg(0))
    stage.end(62)
    stage.drain()


def _live(tasks: TaskHarness) -> None:
    """Tasks with everything and with nothing, from their beginning to their end."""
    tasks.report_ready("01KASVZEBRY4C1W9T6P0X2K8MD", incident_id="01KASVZEBRY4C1W9T6P0X2K8MD")
    tasks.work()
    full = tasks.make(description="x", priority="high", due_date="2026-11-02T09:00:00Z",
                     reminders=[60])  # fmt: skip
    tasks.clock.advance(3600)
    tasks.work()
    tasks.ask("PATCH", f"/{full['id']}", {"title": "Sweep it well"})
    tasks.make()
    tasks.ask("POST", "/import", content=b"title\r\nx\r\n", headers={"Content-Type": "text/csv"})
    for task in tasks.list(BOSS)["tasks"]:
        tasks.ask("POST", f"/{task['id']}/complete", {}, who=BOSS)
        tasks.ask("POST", f"/{task['id']}/reopen", who=BOSS)
    tasks.ask("DELETE", f"/{full['id']}")


def schema(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((event_schemas.FOLDER / f"{name}.json").read_text("utf-8"))
    return body


def test_the_committed_schemas_match_the_models() -> None:
    assert {path.stem for path in event_schemas.FOLDER.iterdir()} == set(TYPES)
    command = [sys.executable, str(Path(event_schemas.__file__)), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_is_valid_and_allows_additional_fields(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$id"] == name
    assert "additionalProperties" not in json.dumps(schema(name))


@pytest.mark.parametrize("name", TYPES)
def test_published_events_match_their_schema(published: dict[str, list[Job]], name: str) -> None:
    body = schema(name)
    validator = Draft202012Validator(body, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert published[name], f"nothing published {name}"
    for job in published[name]:
        assert [error.message for error in validator.iter_errors(job.payload["data"])] == []
        assert set(job.payload["data"]) == set(body["properties"])


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_rejects_an_event_without_a_required_field(
    published: dict[str, list[Job]], name: str
) -> None:
    validator = Draft202012Validator(schema(name))
    data = published[name][0].payload["data"]
    for field in schema(name)["required"]:
        assert not validator.is_valid({key: data[key] for key in data if key != field}), field


@pytest.mark.parametrize("name", TYPES)
def test_an_event_has_its_source_and_time(published: dict[str, list[Job]], name: str) -> None:
    for job in published[name]:
        event = received(job.payload)
        assert (event.type, f"{event.type}.v{event.version}") == (job.kind, name)
        assert job.payload["source"] in ("/hearth/detection", "/hearth/reports", "/hearth/tasks")
        assert job.dedupe_key == f"event:{event.type}:{event.id}:{job.queue}"


def test_published_events_are_parsed_by_their_subscribers(
    published: dict[str, list[Job]],
) -> None:
    events = [job for jobs in published.values() for job in jobs if job.kind in EVENTS]
    assert {job.kind for job in events} == set(EVENTS)
    for job in events:
        assert notice_of(received(job.payload), ZoneInfo("UTC")).title
    for job in published["safety.violation.detected.v2"]:
        assert read_event(job.payload).incident_id == job.payload["subject"]
    sources = [read_task(job.payload).source for job in published["task.created.v1"]]
    assert any(source and source.report_id for source in sources)
    closing = [
        CompletedTask.model_validate(received(job.payload).data)
        for job in published["task.completed.v1"]
    ]
    assert {task.close_incident for task in closing} == {True, False}


def test_a_newer_version_is_rejected_by_a_subscriber_of_the_old_one(
    published: dict[str, list[Job]],
) -> None:
    from hearth.errors import InvalidInput

    event = received(published["task.due.v1"][0].payload)
    newer = Event(event.type, event.id, event.time, event.subject, event.data, version=2)
    with pytest.raises(InvalidInput, match=r"task\.due\.v2"):
        notice_of(newer, ZoneInfo("UTC"))
