"""Frames in, incidents and events out, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from functions.detection.incidents import recording
from functions.detection.policy import Policy, parse_policy
from functions.detection.repository import tables
from functions.detection.repository.cameras import list_cameras
from functions.detection.repository.frames import get_frame_with_model, upsert_frames
from functions.reports.schemas import IncidentEvent
from hearth.errors import Conflict, InvalidInput, ModelFailed
from hearth.frames import frame_job, frame_key
from hearth.ledger.ledger import JobState
from tests.contract.detection.harness import DetectionHarness, ScriptedDetector, frame_jpeg
from tests.support.events import load_event
from tests.support.fakes import LambdaContext, sqs_event


def walk(harness: DetectionHarness, begin: float = 0, frames: int = 25, end: bool = True) -> None:
    """One person walks through the picture at 5 frames a second, nobody before and after."""
    times = [begin + n / 5 for n in range(frames)]
    for n, time in enumerate(times):
        harness.upload(time, frame_jpeg(0 if n < 5 or n >= frames - 5 else 1, 6 + n % 3))
    if end:
        harness.end(times[-1])


def test_without_uploads_there_are_no_incidents(harness: DetectionHarness) -> None:
    harness.drain()
    assert harness.incidents() == []
    assert harness.db.read(list_cameras) == []


def test_frames_wait_while_no_policy_can_be_read_and_are_judged_then(
    harness: DetectionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> Policy:
        raise InvalidInput("policy site.yaml, line 3: cameras.gate.restrict is not known")

    walk(harness)
    with monkeypatch.context() as broken:
        broken.setattr(harness, "current", unreadable)
        harness.drain()
        harness.pass_time(61)
        assert harness.incidents() == []
        assert len(harness.unfinished()) == 26
    for _ in range(3):
        harness.pass_time(61)
    [incident] = harness.incidents()
    assert (incident.state, incident.frames) == ("ended", 15)
    assert harness.unfinished() == []


def test_one_walk_is_one_incident_that_ends_at_once_with_evidence_and_one_event(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    harness.drain()
    [incident] = harness.incidents()
    assert (incident.state, incident.end_reason) == ("ended", "stream_end")
    assert (incident.frames, incident.persons_max) == (15, 1)
    assert incident.first_seen == harness.at(1)
    assert incident.last_seen == harness.at(3.8)
    [event] = harness.events()
    read = IncidentEvent.model_validate(event)
    assert read.incident_id == incident.id
    assert read.violations[0].class_name == "restricted_zone"
    assert read.violations[0].confidence == pytest.approx(0.85)
    assert read.evidence is not None
    assert harness.store.objects[read.evidence.key][:2] == b"\xff\xd8"
    assert harness.unfinished() == []


@pytest.mark.parametrize("begin", ["1000-01-01", "9998-12-31"])
def test_a_recording_of_any_date_is_judged(harness: DetectionHarness, begin: str) -> None:
    away = (datetime.fromisoformat(f"{begin}T00:00Z") - harness.at(0)).total_seconds()
    walk(harness, away)
    harness.drain()
    [incident] = harness.incidents()
    assert (incident.state, incident.end_reason) == ("ended", "stream_end")
    assert incident.first_seen == harness.at(away + 1)
    assert len(harness.events()) == 1
    assert harness.unfinished() == []


def test_the_camera_row_counts_frames_people_and_verdicts(harness: DetectionHarness) -> None:
    walk(harness)
    harness.drain()
    camera = harness.camera()
    assert (camera.frames, camera.frames_with_person, camera.violation) == (25, 15, 15)
    assert camera.last_frame_at == harness.at(4.8)
    assert camera.model["name"] == "script"


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_and_repeated_notifications_make_the_same_incidents_events_and_images(
    harness: DetectionHarness, migrated_url: str, seed: int
) -> None:
    def play(harness: DetectionHarness, rng: random.Random | None) -> str:
        walk(harness, 0, end=False)
        walk(harness, 10, 30)
        if rng is not None:
            harness.announced += rng.choices(harness.announced, k=20)
        harness.drain(shuffle=rng)
        harness.pass_time(60)
        assert harness.unfinished() == []
        # Alerts show what was known when they were sent.
        pictures = {k: v for k, v in harness.store.objects.items() if is_evidence(k)}
        return harness.facts() + repr(sorted(pictures.items()))

    shuffled = play(harness, random.Random(seed))
    plain = empty_harness(harness)
    assert shuffled == play(plain, None)
    assert len(plain.incidents()) == 2


def empty_harness(harness: DetectionHarness) -> DetectionHarness:
    """The same database, emptied."""

    def clear(tx: object) -> None:
        from hearth.ledger.ledger import metadata as jobs

        for table in [*tables.metadata.tables.values(), *jobs.tables.values()]:
            tx.execute(table.delete())  # type: ignore[attr-defined]

    harness.db.write(clear)
    return DetectionHarness(harness.db)


def test_two_workers_at_once_give_the_result_of_one(harness: DetectionHarness) -> None:
    walk(harness, 0, 60)
    harness.run_two_workers(random.Random(7))
    hints = harness.due()
    worker = harness.handler()
    while hints:
        worker(sqs_event(*hints), LambdaContext())
        hints = harness.due()
    harness.pass_time(5)
    [incident] = harness.incidents()
    assert (incident.state, incident.frames) == ("ended", 50)
    assert harness.camera().frames == 60
    assert harness.unfinished() == []


def test_an_incident_stays_open_while_another_worker_has_one_of_its_frames(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    held = harness.announced.pop(12)
    harness.ledger.claim([], [frame_job(held)], timedelta(seconds=5))
    harness.drain()
    assert harness.incidents()[0].state == "open"
    assert harness.events() == []
    harness.pass_time(3)
    assert harness.incidents()[0].state == "open"
    harness.pass_time(3)
    harness.pass_time(2)
    [incident] = harness.incidents()
    assert (incident.state, incident.frames) == ("ended", 15)
    assert harness.unfinished() == []


def test_a_frame_that_was_never_announced_is_found_when_its_incident_is_settled(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    lost = harness.announced.pop(12)
    harness.drain()
    [job] = [job for job in harness.jobs("detection.frame") if job.payload["key"] == lost]
    assert job.state is JobState.DONE
    [incident] = harness.incidents()
    assert (incident.state, incident.frames) == ("ended", 15)


def test_a_later_frame_ends_an_incident_without_an_end_marker(harness: DetectionHarness) -> None:
    walk(harness, frames=25, end=False)
    harness.drain()
    assert harness.incidents()[0].state == "open"
    harness.upload(10, frame_jpeg(0))
    harness.drain()
    [incident] = harness.incidents()
    assert (incident.state, incident.end_reason) == ("ended", "gap")


def test_a_silent_camera_ends_its_incident(harness: DetectionHarness) -> None:
    walk(harness, end=False)
    harness.drain()
    harness.pass_time(10)
    assert harness.incidents()[0].state == "open"
    harness.pass_time(15)
    [incident] = harness.incidents()
    assert (incident.state, incident.end_reason) == ("ended", "silence")
    assert harness.unfinished() == []


def test_a_long_presence_is_cut_and_every_part_reported_once(harness: DetectionHarness) -> None:
    for n in range(140):
        harness.upload(n / 2, frame_jpeg(1))
    harness.end(70)
    harness.drain()
    harness.pass_time(3)
    assert [row.end_reason for row in harness.incidents()] == [
        "max_duration",
        "max_duration",
        "stream_end",
    ]
    assert len(harness.events()) == 3
    assert {row.state for row in harness.incidents()} == {"ended"}


def test_frames_that_come_after_the_end_reopen_the_incident_as_a_revision(
    harness: DetectionHarness,
) -> None:
    walk(harness, 0, 20)
    harness.drain()
    [before] = harness.incidents()
    for n in range(6):
        harness.upload(3.2 + n / 5 + 0.05, frame_jpeg(2, 9))
    harness.end(5)
    harness.drain()
    harness.pass_time(3)
    [after] = harness.incidents()
    assert (after.id, after.revision, after.state) == (before.id, 2, "ended")
    assert after.persons_max == 2
    assert [event["revision"] for event in harness.events()] == [1, 2]
    assert len({event["event_id"] for event in harness.events()}) == 2


def test_an_earlier_beginning_supersedes_an_incident_that_was_reported(
    harness: DetectionHarness,
) -> None:
    walk(harness, 10)
    harness.drain()
    [before] = harness.incidents()
    harness.upload(9.5, frame_jpeg(1))
    harness.upload(10.1, frame_jpeg(1))
    harness.drain()
    harness.pass_time(30)
    old, new = sorted(harness.incidents(), key=lambda row: row.state != "superseded")
    assert (old.id, old.state, old.superseded_by) == (before.id, "superseded", new.id)
    assert (new.state, new.frames) == ("ended", 17)


def test_one_corrupt_frame_fails_alone_with_its_reason(harness: DetectionHarness) -> None:
    walk(harness)
    bad = harness.upload(0.1, b"\xff\xd8 this is no picture")
    harness.drain()
    [failed] = [job for job in harness.jobs("detection.frame") if job.state == JobState.FAILED]
    assert failed.payload["key"] == bad
    assert failed.error is not None
    assert failed.error.code == "VALIDATION_ERROR"
    assert failed.attempts == 1
    assert harness.camera().failed == 1
    assert harness.incidents()[0].state == "ended"


def test_a_frame_that_was_deleted_before_its_turn_fails_alone(harness: DetectionHarness) -> None:
    walk(harness)
    key = frame_key("gate", harness.at(0.2))
    harness.store.delete(key)
    harness.drain()
    [failed] = [job for job in harness.jobs("detection.frame") if job.state == JobState.FAILED]
    assert failed.error is not None
    assert failed.error.message == f"frame {key} was deleted before it was processed"


def test_a_key_that_is_not_a_frame_fails_alone(harness: DetectionHarness) -> None:
    walk(harness)
    harness.announced.append("frames/gate/holiday.jpg")
    harness.drain()
    [failed] = [job for job in harness.jobs("detection.frame") if job.state == JobState.FAILED]
    assert "holiday.jpg" in failed.dedupe_key
    assert harness.incidents()[0].state == "ended"


def test_a_model_that_cannot_be_loaded_fails_the_frames_with_the_reason(
    harness: DetectionHarness,
) -> None:
    def broken() -> ScriptedDetector:
        raise ModelFailed("model.onnx has outputs of shape (1, 7)")

    harness.upload(0, frame_jpeg(1))
    harness.drain(harness.handler(broken))
    [job] = harness.jobs("detection.frame")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.message == "model.onnx has outputs of shape (1, 7)"


def test_frames_are_judged_later_when_the_object_store_was_unavailable(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    harness.store.offline = True
    harness.drain()
    assert harness.incidents() == []
    harness.store.offline = False
    harness.pass_time(400)
    harness.pass_time(400)
    assert harness.incidents()[0].state == "ended"
    assert harness.camera().frames == 25


def test_a_camera_that_the_policy_does_not_name_is_rejected_where_it_demands_that(
    harness: DetectionHarness,
) -> None:
    harness.policy = harness.policy.model_copy(update={"unknown_cameras": "reject"})
    harness.upload(0, frame_jpeg(1))
    harness.drain()
    [job] = harness.jobs("detection.frame")
    assert job.error is not None
    assert "'gate' is not in the policy" in job.error.message


def test_frames_of_still_people_do_not_add_a_settle_job_each(harness: DetectionHarness) -> None:
    walk(harness, 0, 60)
    harness.drain()
    assert len(harness.jobs("detection.settle")) <= 4


def test_an_incident_that_several_jobs_ask_for_is_drawn_once(harness: DetectionHarness) -> None:
    walk(harness)
    harness.drain()
    assert len(harness.jobs("detection.settle")) > 1
    [incident] = harness.incidents()
    assert [key for key in harness.store.writes if is_evidence(key)] == [
        f"evidence/{incident.id}.jpg",
        f"evidence/{incident.id}.gif",
    ]


def is_evidence(key: str) -> bool:
    return key.startswith("evidence/") and not key.startswith("evidence/alerts/")


def test_a_frame_that_cannot_be_stored_fails_alone(
    harness: DetectionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(harness)
    bad = harness.announced[7]
    really = upsert_frames

    def refuse_bad_frame(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
        # As a database does that refuses one row of a batch.
        if any(row["frame_key"] == bad for row in rows):
            raise Conflict("the row breaks a constraint")
        really(tx, rows)

    monkeypatch.setattr(recording, "upsert_frames", refuse_bad_frame)
    harness.drain()
    failed = [job for job in harness.jobs("detection.frame") if job.state is JobState.FAILED]
    assert [job.payload["key"] for job in failed] == [bad]
    assert harness.camera().frames == 24
    [incident] = harness.incidents()
    assert (incident.state, incident.frames) == ("ended", 14)


def test_unreadable_messages_become_failed_jobs(harness: DetectionHarness) -> None:
    answer = harness.handler()(load_event("detection/sqs_malformed_bodies"), LambdaContext())
    assert answer == {"batchItemFailures": []}
    unreadable = harness.jobs("detection.unreadable")
    assert len(unreadable) == 4
    assert {job.state for job in unreadable} == {JobState.FAILED}


def test_the_s3_test_event_is_ignored(harness: DetectionHarness) -> None:
    event = load_event("detection/sqs_s3_test_event")
    assert harness.handler()(event, LambdaContext()) == {"batchItemFailures": []}
    assert harness.ledger.summary() == {}


LIVE = b"defaults: {required: [], restricted: true, max_lag_s: 10}"


def test_overdue_frames_are_dropped_and_counted(
    harness: DetectionHarness,
) -> None:
    harness.policy = parse_policy(LIVE)
    for n in range(30):
        harness.upload(n / 5, frame_jpeg(1))
    harness.clock.advance(20)
    harness.drain()
    # All of them are overdue; the one that is kept says that the camera is there.
    assert (harness.camera().frames, harness.camera().dropped) == (1, 29)
    assert harness.unfinished() == []
    # Delivered once more, they are counted no more.
    harness.upload(0.2, frame_jpeg(1))
    harness.drain()
    assert harness.camera().dropped == 29


def test_without_max_lag_an_old_clip_is_judged_whole(harness: DetectionHarness) -> None:
    for n in range(30):
        harness.upload(n / 5, frame_jpeg(1))
    harness.clock.advance(86_400)
    harness.drain()
    assert (harness.camera().frames, harness.camera().dropped) == (30, None)


def test_the_detector_sees_the_region_and_the_boxes_are_those_of_the_whole_image(
    harness: DetectionHarness,
) -> None:
    harness.policy = parse_policy(
        b"{defaults: {restricted: true}, cameras: {gate: {region: [0.25, 0.1, 1, 1]}}}"
    )
    key = harness.upload(0, frame_jpeg(1))
    harness.upload(0, frame_jpeg(1), "dock")
    harness.drain()
    gate = harness.db.read(lambda tx: get_frame_with_model(tx, key))
    dock = harness.db.read(lambda tx: get_frame_with_model(tx, key.replace("gate", "dock")))
    assert gate is not None
    assert dock is not None
    assert dock.result["persons"][0]["bbox"] == [10, 20, 60, 200]
    # 400 x 240 pixels.
    assert gate.result["persons"][0]["bbox"] == [110, 44, 160, 224]
    assert (gate.width, gate.height) == (400, 240)
