"""Frames in, incidents and events out, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from functions.detection.incidents import recording
from functions.detection.policy import parse_policy
from functions.detection.repository import tables
from functions.detection.repository.cameras import list_cameras
from functions.detection.repository.frames import get_frame_with_model, upsert_frames
from functions.reports.schemas import IncidentEvent
from hearth.errors import Conflict, ModelFailed
from hearth.frames import frame_job, frame_key
from hearth.ledger.ledger import JobState
from tests.contract.detection.stage import ScriptedDetector, Stage, picture
from tests.support.events import load_event
from tests.support.fakes import LambdaContext, sqs_event


def walk(stage: Stage, begin: float = 0, frames: int = 25, end: bool = True) -> None:
    """One person walks through the picture at 5 frames a second, nobody before and after."""
    times = [begin + n / 5 for n in range(frames)]
    for n, time in enumerate(times):
        stage.upload(time, picture(0 if n < 5 or n >= frames - 5 else 1, 6 + n % 3))
    if end:
        stage.end(times[-1])


def test_nothing_uploaded_leaves_nothing(stage: Stage) -> None:
    stage.drain()
    assert stage.incidents() == []
    assert stage.db.read(list_cameras) == []


def test_one_walk_is_one_incident_that_ends_at_once_with_evidence_and_one_event(
    stage: Stage,
) -> None:
    walk(stage)
    stage.drain()
    [incident] = stage.incidents()
    assert (incident.state, incident.end_reason) == ("ended", "stream_end")
    assert (incident.frames, incident.persons_max) == (15, 1)
    assert incident.first_seen == stage.at(1)
    assert incident.last_seen == stage.at(3.8)
    [event] = stage.events()
    read = IncidentEvent.model_validate(event)
    assert read.incident_id == incident.id
    assert read.violations[0].class_name == "restricted_zone"
    assert read.violations[0].confidence == pytest.approx(0.85)
    assert read.evidence is not None
    assert stage.store.objects[read.evidence.key][:2] == b"\xff\xd8"
    assert stage.unfinished() == []


def test_the_camera_row_counts_frames_people_and_verdicts(stage: Stage) -> None:
    walk(stage)
    stage.drain()
    camera = stage.camera()
    assert (camera.frames, camera.frames_with_person, camera.violation) == (25, 15, 15)
    assert camera.last_frame_at == stage.at(4.8)
    assert camera.model["name"] == "script"


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_and_repeated_notifications_make_the_same_incidents_events_and_pictures(
    stage: Stage, migrated_url: str, seed: int
) -> None:
    def play(stage: Stage, rng: random.Random | None) -> str:
        walk(stage, 0, end=False)
        walk(stage, 10, 30)
        if rng is not None:
            stage.announced += rng.choices(stage.announced, k=20)
        stage.drain(shuffle=rng)
        stage.pass_time(60)
        assert stage.unfinished() == []
        pictures = {k: v for k, v in stage.store.objects.items() if k.startswith("evidence/")}
        return stage.facts() + repr(sorted(pictures.items()))

    shuffled = play(stage, random.Random(seed))
    plain = stage_of_its_own(stage)
    assert shuffled == play(plain, None)
    assert len(plain.incidents()) == 2


def stage_of_its_own(stage: Stage) -> Stage:
    """The same database, emptied."""

    def clear(tx: object) -> None:
        from hearth.ledger.ledger import metadata as jobs

        for table in [*tables.metadata.tables.values(), *jobs.tables.values()]:
            tx.execute(table.delete())  # type: ignore[attr-defined]

    stage.db.write(clear)
    return Stage(stage.db)


def test_two_workers_at_once_make_what_one_makes(stage: Stage) -> None:
    walk(stage, 0, 60)
    stage.run_two_workers(random.Random(7))
    hints = stage.due()
    worker = stage.handler()
    while hints:
        worker(sqs_event(*hints), LambdaContext())
        hints = stage.due()
    stage.pass_time(5)
    [incident] = stage.incidents()
    assert (incident.state, incident.frames) == ("ended", 50)
    assert stage.camera().frames == 60
    assert stage.unfinished() == []


def test_an_incident_stays_open_while_another_worker_has_one_of_its_frames(stage: Stage) -> None:
    walk(stage)
    held = stage.announced.pop(12)
    stage.ledger.claim([], [frame_job(held)], timedelta(seconds=5))
    stage.drain()
    assert stage.incidents()[0].state == "open"
    assert stage.events() == []
    stage.pass_time(3)
    assert stage.incidents()[0].state == "open"
    stage.pass_time(3)
    stage.pass_time(2)
    [incident] = stage.incidents()
    assert (incident.state, incident.frames) == ("ended", 15)
    assert stage.unfinished() == []


def test_a_frame_that_was_never_announced_is_found_when_its_incident_is_settled(
    stage: Stage,
) -> None:
    walk(stage)
    lost = stage.announced.pop(12)
    stage.drain()
    [job] = [job for job in stage.jobs("detection.frame") if job.payload["key"] == lost]
    assert job.state is JobState.DONE
    [incident] = stage.incidents()
    assert (incident.state, incident.frames) == ("ended", 15)


def test_a_later_frame_ends_an_incident_without_an_end_marker(stage: Stage) -> None:
    walk(stage, frames=25, end=False)
    stage.drain()
    assert stage.incidents()[0].state == "open"
    stage.upload(10, picture(0))
    stage.drain()
    [incident] = stage.incidents()
    assert (incident.state, incident.end_reason) == ("ended", "gap")


def test_a_silent_camera_ends_its_incident(stage: Stage) -> None:
    walk(stage, end=False)
    stage.drain()
    stage.pass_time(10)
    assert stage.incidents()[0].state == "open"
    stage.pass_time(15)
    [incident] = stage.incidents()
    assert (incident.state, incident.end_reason) == ("ended", "silence")
    assert stage.unfinished() == []


def test_a_long_presence_is_cut_and_every_part_reported_once(stage: Stage) -> None:
    for n in range(140):
        stage.upload(n / 2, picture(1))
    stage.end(70)
    stage.drain()
    stage.pass_time(3)
    assert [row.end_reason for row in stage.incidents()] == [
        "max_duration",
        "max_duration",
        "stream_end",
    ]
    assert len(stage.events()) == 3
    assert {row.state for row in stage.incidents()} == {"ended"}


def test_frames_that_come_after_the_end_reopen_the_incident_as_a_revision(stage: Stage) -> None:
    walk(stage, 0, 20)
    stage.drain()
    [before] = stage.incidents()
    for n in range(6):
        stage.upload(3.2 + n / 5 + 0.05, picture(2, 9))
    stage.end(5)
    stage.drain()
    stage.pass_time(3)
    [after] = stage.incidents()
    assert (after.id, after.revision, after.state) == (before.id, 2, "ended")
    assert after.persons_max == 2
    assert [event["revision"] for event in stage.events()] == [1, 2]
    assert len({event["event_id"] for event in stage.events()}) == 2


def test_an_earlier_beginning_supersedes_an_incident_that_was_reported(stage: Stage) -> None:
    walk(stage, 10)
    stage.drain()
    [before] = stage.incidents()
    stage.upload(9.5, picture(1))
    stage.upload(10.1, picture(1))
    stage.drain()
    stage.pass_time(30)
    old, new = sorted(stage.incidents(), key=lambda row: row.state != "superseded")
    assert (old.id, old.state, old.superseded_by) == (before.id, "superseded", new.id)
    assert (new.state, new.frames) == ("ended", 17)


def test_one_corrupt_frame_fails_alone_with_its_reason(stage: Stage) -> None:
    walk(stage)
    bad = stage.upload(0.1, b"\xff\xd8 this is no picture")
    stage.drain()
    [failed] = [job for job in stage.jobs("detection.frame") if job.state == JobState.FAILED]
    assert failed.payload["key"] == bad
    assert failed.error is not None
    assert failed.error.code == "VALIDATION_ERROR"
    assert failed.attempts == 1
    assert stage.camera().failed == 1
    assert stage.incidents()[0].state == "ended"


def test_a_frame_that_was_deleted_before_its_turn_fails_alone(stage: Stage) -> None:
    walk(stage)
    key = frame_key("gate", stage.at(0.2))
    stage.store.delete(key)
    stage.drain()
    [failed] = [job for job in stage.jobs("detection.frame") if job.state == JobState.FAILED]
    assert failed.error is not None
    assert failed.error.message == f"frame {key} was deleted before it was processed"


def test_a_key_that_names_no_frame_fails_visibly_and_spoils_nothing(stage: Stage) -> None:
    walk(stage)
    stage.announced.append("frames/gate/holiday.jpg")
    stage.drain()
    [failed] = [job for job in stage.jobs("detection.frame") if job.state == JobState.FAILED]
    assert "holiday.jpg" in failed.dedupe_key
    assert stage.incidents()[0].state == "ended"


def test_a_model_that_cannot_be_loaded_fails_the_frames_at_once_and_says_why(
    stage: Stage,
) -> None:
    def broken() -> ScriptedDetector:
        raise ModelFailed("model.onnx has outputs of shape (1, 7)")

    stage.upload(0, picture(1))
    stage.drain(stage.handler(broken))
    [job] = stage.jobs("detection.frame")
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.message == "model.onnx has outputs of shape (1, 7)"


def test_an_object_store_that_is_away_costs_nothing_but_time(stage: Stage) -> None:
    walk(stage)
    stage.store.offline = True
    stage.drain()
    assert stage.incidents() == []
    stage.store.offline = False
    stage.pass_time(400)
    stage.pass_time(400)
    assert stage.incidents()[0].state == "ended"
    assert stage.camera().frames == 25


def test_a_camera_that_the_policy_does_not_name_is_refused_where_it_says_so(stage: Stage) -> None:
    stage.policy = stage.policy.model_copy(update={"unknown_cameras": "reject"})
    stage.upload(0, picture(1))
    stage.drain()
    [job] = stage.jobs("detection.frame")
    assert job.error is not None
    assert "'gate' is not in the policy" in job.error.message


def test_still_people_are_not_settled_by_one_job_a_frame(stage: Stage) -> None:
    walk(stage, 0, 60)
    stage.drain()
    assert len(stage.jobs("detection.settle")) <= 4


def test_an_incident_that_several_jobs_ask_for_is_drawn_once(stage: Stage) -> None:
    walk(stage)
    stage.drain()
    assert len(stage.jobs("detection.settle")) > 1
    assert [key for key in stage.store.writes if key.startswith("evidence/")] == [
        f"evidence/{stage.incidents()[0].id}.jpg"
    ]


def test_a_frame_that_cannot_be_stored_spoils_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(stage)
    bad = stage.announced[7]
    really = upsert_frames

    def refuse_bad_frame(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
        # As a database does that refuses one row of a batch.
        if any(row["frame_key"] == bad for row in rows):
            raise Conflict("the row breaks a constraint")
        really(tx, rows)

    monkeypatch.setattr(recording, "upsert_frames", refuse_bad_frame)
    stage.drain()
    failed = [job for job in stage.jobs("detection.frame") if job.state is JobState.FAILED]
    assert [job.payload["key"] for job in failed] == [bad]
    assert stage.camera().frames == 24
    [incident] = stage.incidents()
    assert (incident.state, incident.frames) == ("ended", 14)


def test_messages_that_nobody_can_read_are_kept_as_failed_jobs(stage: Stage) -> None:
    answer = stage.handler()(load_event("detection/sqs_malformed_bodies"), LambdaContext())
    assert answer == {"batchItemFailures": []}
    unreadable = stage.jobs("detection.unreadable")
    assert len(unreadable) == 4
    assert {job.state for job in unreadable} == {JobState.FAILED}


def test_the_test_event_of_s3_is_nothing_to_do(stage: Stage) -> None:
    event = load_event("detection/sqs_s3_test_event")
    assert stage.handler()(event, LambdaContext()) == {"batchItemFailures": []}
    assert stage.ledger.summary() == {}


LIVE = b"defaults: {required: [], restricted: true, max_lag_s: 10}"


def test_frames_that_waited_too_long_are_dropped_counted_and_hold_nothing_up(
    stage: Stage,
) -> None:
    stage.policy = parse_policy(LIVE)
    for n in range(30):
        stage.upload(n / 5, picture(1))
    stage.clock.advance(20)
    stage.drain()
    # All of them are overdue; the one that is kept says that the camera is there.
    assert (stage.camera().frames, stage.camera().dropped) == (1, 29)
    assert stage.unfinished() == []
    # Delivered once more, they are counted no more.
    stage.upload(0.2, picture(1))
    stage.drain()
    assert stage.camera().dropped == 29


def test_without_a_bound_a_clip_that_is_old_is_judged_whole(stage: Stage) -> None:
    for n in range(30):
        stage.upload(n / 5, picture(1))
    stage.clock.advance(86_400)
    stage.drain()
    assert (stage.camera().frames, stage.camera().dropped) == (30, None)


def test_the_detector_sees_the_region_and_the_boxes_are_those_of_the_whole_picture(
    stage: Stage,
) -> None:
    stage.policy = parse_policy(
        b"{defaults: {restricted: true}, cameras: {gate: {region: [0.25, 0.1, 1, 1]}}}"
    )
    key = stage.upload(0, picture(1))
    stage.upload(0, picture(1), "dock")
    stage.drain()
    gate = stage.db.read(lambda tx: get_frame_with_model(tx, key))
    dock = stage.db.read(lambda tx: get_frame_with_model(tx, key.replace("gate", "dock")))
    assert gate is not None
    assert dock is not None
    assert dock.result["persons"][0]["bbox"] == [10, 20, 60, 200]
    # 400 x 240 pixels.
    assert gate.result["persons"][0]["bbox"] == [110, 44, 160, 224]
    assert (gate.width, gate.height) == (400, 240)
