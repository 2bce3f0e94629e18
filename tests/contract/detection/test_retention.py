"""What is forgotten after the retention, and what is not, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from functions.detection.incidents.recording import record_frames
from functions.detection.queries import Queries
from functions.detection.repository import old_rows, tables
from functions.detection.repository.incident_rows import update_incident
from hearth.frames import FrameKind, camera_prefix
from hearth.ledger.ledger import JobState
from hearth.retention import REPEATABLE_KINDS, prune_job
from tests.contract.detection.stage import DAYS, Stage, picture
from tests.contract.detection.test_incidents import MODEL, RULES, result
from tests.support.fakes import LambdaContext, sqs_event

DAY_S = 86_400.0
OLD_S = (DAYS + 1) * DAY_S + 60
LIFE = ("pruned_at", "prune_cursor", "pruned_until", "changes")


def walk(stage: Stage, begin: float = 0, frames: int = 25, camera: str = "gate") -> list[str]:
    """One person walks through the picture at 5 frames a second; then the stream ends."""
    times = [begin + n / 5 for n in range(frames)]
    keys = [
        stage.upload(time, picture(0 if n < 5 or n >= frames - 5 else 1, 6 + n % 3), camera)
        for n, time in enumerate(times)
    ]
    stage.end(times[-1], camera)
    return keys


def expire(stage: Stage) -> None:
    """What the bucket's lifecycle rule does to frames."""
    for key in [key for key in stage.store.objects if key.startswith("frames/")]:
        stage.store.delete(key)


def prune(stage: Stage, context: LambdaContext | None = None) -> None:
    """The day's job, by one worker, until it is done."""
    jobs = stage.db.write(lambda tx: stage.ledger.add(tx, [prune_job(stage.clock())]))
    stage.queues.sent = []
    hint = {"job_id": jobs[0].id, "kind": jobs[0].kind}
    worker = stage.handler()
    while stage.ledger.get(jobs[0].id).state is not JobState.DONE:
        answer = worker(sqs_event(hint), context or LambdaContext())
        assert answer == {"batchItemFailures": []}
        stage.clock.advance(10)


def rows(stage: Stage, table: Table) -> list[dict[str, Any]]:
    """A table's rows without what pruning notes for itself."""
    found: Sequence[Any] = stage.db.read(
        lambda tx: tx.execute(select(table).order_by(*table.primary_key.columns)).all()
    )
    return [{k: v for k, v in row._mapping.items() if k not in LIFE} for row in found]


def frame_keys(stage: Stage) -> list[str]:
    return [row["frame_key"] for row in rows(stage, tables.frames)]


def everything(stage: Stage) -> list[Any]:
    return [rows(stage, table) for table in tables.metadata.sorted_tables]


def visible(stage: Stage) -> str:
    """What people have been told: incidents whole, and events."""
    return repr(
        [[row._mapping[k] for k in row._mapping if k not in LIFE] for row in stage.incidents()]
    )


def test_nothing_to_forget_is_soon_forgotten(stage: Stage) -> None:
    prune(stage)
    assert not any(everything(stage))


def test_nothing_young_is_deleted(stage: Stage) -> None:
    walk(stage)
    stage.drain()
    before = everything(stage)
    stage.clock.advance((DAYS + 1) * DAY_S - 60)
    prune(stage)
    assert everything(stage) == before


def test_old_frames_go_and_incidents_their_peaks_and_counters_stay(stage: Stage) -> None:
    walk(stage)
    stage.drain()
    [incident] = stage.incidents()
    cameras, incidents = rows(stage, tables.cameras), rows(stage, tables.incidents)
    detail = Queries(_Storage(stage)).get_incident(incident.id)
    stage.clock.advance(OLD_S)
    prune(stage)
    assert frame_keys(stage) == [incident.peak_frame_key]
    assert rows(stage, tables.observations) == []
    assert rows(stage, tables.cameras) == cameras
    assert rows(stage, tables.incidents) == incidents
    assert Queries(_Storage(stage)).get_incident(incident.id) == detail
    assert detail.peak is not None


@dataclass
class _Storage:
    stage: Stage

    @property
    def db(self) -> Any:
        return self.stage.db

    @property
    def store(self) -> Any:
        return self.stage.store


def test_pruning_twice_is_pruning_once(stage: Stage) -> None:
    walk(stage)
    stage.drain()
    stage.clock.advance(OLD_S)
    prune(stage)
    before = everything(stage)
    stage.clock.advance(DAY_S)
    prune(stage)
    assert everything(stage) == before


def test_the_frames_of_an_open_incident_stay_until_it_was_settled(stage: Stage) -> None:
    keys = [stage.upload(n / 5, picture(1 if n >= 5 else 0)) for n in range(20)]
    stage.drain()
    stage.clock.advance(OLD_S)
    prune(stage)
    assert frame_keys(stage) == keys[5:]
    assert len(rows(stage, tables.observations)) == 15
    stage.pass_time(60)
    [incident] = stage.incidents()
    assert (incident.state, incident.end_reason, incident.frames) == ("ended", "silence", 15)
    assert len(stage.events()) == 1


def test_a_frame_that_could_not_be_judged_stays_as_its_failed_job_does(stage: Stage) -> None:
    broken = stage.upload(0, b"no picture")
    walk(stage, 10)
    stage.drain()
    stage.clock.advance(OLD_S)
    prune(stage)
    assert broken in frame_keys(stage)
    assert [job.payload["key"] for job in stage.ledger.list(JobState.FAILED).jobs] == [broken]
    assert stage.camera().failed == 1


def test_episodes_that_nobody_was_told_of_are_forgotten(stage: Stage) -> None:
    stage.upload(0, picture(1))
    stage.drain()
    assert [row["state"] for row in rows(stage, tables.incidents)] == ["candidate"]
    stage.clock.advance(OLD_S)
    prune(stage)
    assert rows(stage, tables.incidents) == rows(stage, tables.frames) == []


def test_a_clip_that_comes_again_after_it_was_forgotten_reports_nothing_again(
    stage: Stage,
) -> None:
    walk(stage)
    stage.drain()
    before, events = visible(stage), stage.events()
    stage.clock.advance(OLD_S + DAY_S)
    expire(stage)
    prune(stage)
    stage.ledger.prune(REPEATABLE_KINDS, stage.clock(), 1000)
    walk(stage)
    stage.drain(shuffle=random.Random(5))
    stage.pass_time(60)
    assert stage.detector.seen == 50
    assert (visible(stage), stage.events()) == (before, events)
    assert stage.unfinished() == []


@pytest.mark.parametrize("begin", [-DAY_S * 400, -30.0, 60.0, OLD_S - 3600])
def test_frames_captured_before_the_retention_that_come_late_are_judged_and_reported(
    stage: Stage, begin: float
) -> None:
    walk(stage)
    stage.drain()
    [first] = stage.incidents()
    stage.clock.advance(OLD_S)
    prune(stage)
    walk(stage, begin)
    stage.clock.advance(3600)
    stage.drain()
    stage.pass_time(60)
    [late] = [row for row in stage.incidents() if row.id != first.id]
    assert (late.state, late.frames) == ("ended", 15)
    assert len(stage.events()) == 2
    assert stage.camera().frames == 50
    stage.clock.advance(DAY_S)
    prune(stage)  # judged yesterday: not old
    assert len(frame_keys(stage)) == 26


def test_a_late_frame_beside_a_forgotten_incident_leaves_it_as_it_is(stage: Stage) -> None:
    walk(stage)
    stage.drain()
    before = visible(stage)
    stage.clock.advance(OLD_S)
    prune(stage)
    for time in (2.05, 2.15, 3.85):  # twice inside, and once less than the gap behind it
        stage.upload(time, picture(1))
    stage.drain()
    stage.pass_time(60)
    assert visible(stage) == before


def test_another_camera_s_frames_are_left_alone(stage: Stage) -> None:
    walk(stage, camera="gate")
    stage.drain()
    stage.clock.advance(OLD_S)
    kept = walk(stage, begin=OLD_S, camera="gate-2")
    stage.drain()
    prune(stage)
    there = [key for key in frame_keys(stage) if key.startswith(camera_prefix("gate-2"))]
    assert there == kept


class Draining(LambdaContext):
    """An invocation in which each look at the clock costs most of a second."""

    def get_remaining_time_in_millis(self) -> int:
        self.remaining_s -= 0.8
        return int(self.remaining_s * 1000)


@pytest.mark.parametrize(("frames", "most", "incidents"), [(1, 1, 1), (4, 3, 1), (5, 100, 2)])
def test_however_small_the_steps_and_the_slices_the_end_is_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, frames: int, most: int, incidents: int
) -> None:
    monkeypatch.setattr(old_rows, "FRAMES", frames)
    monkeypatch.setattr(old_rows, "ROWS", most)
    monkeypatch.setattr(old_rows, "INCIDENTS", incidents)
    for begin in (0, 100, 200):
        walk(stage, begin)
    walk(stage, 50, camera="yard")
    stage.drain()
    stage.clock.advance(OLD_S + 300)
    jobs = stage.db.write(lambda tx: stage.ledger.add(tx, [prune_job(stage.clock())]))
    worker, slices = stage.handler(), 0
    while stage.ledger.get(jobs[0].id).state is not JobState.DONE:
        hint = {"job_id": jobs[0].id, "kind": jobs[0].kind}
        worker(sqs_event(hint), Draining(remaining_s=30))
        stage.clock.advance(10)
        slices += 1
    assert slices > 1
    peaks = sorted(row.peak_frame_key for row in stage.incidents())
    assert frame_keys(stage) == peaks
    assert len(peaks) == 4
    assert rows(stage, tables.observations) == []
    assert stage.ledger.get(jobs[0].id).attempts == 1


def test_a_worker_that_dies_between_two_steps_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_rows, "FRAMES", 4)
    walk(stage)
    stage.drain()
    before = visible(stage)
    stage.clock.advance(OLD_S)
    limit = stage.clock() - timedelta(days=DAYS + 1)
    for step in range(3):

        def killed(tx: Any, step: int = step) -> None:
            old_rows.prune_camera(tx, "gate", limit, stage.clock())
            if step % 2:
                raise KeyboardInterrupt

        try:
            stage.db.write(killed)
        except KeyboardInterrupt:
            continue
        # Between two steps life goes on, half of the incident's frames being gone.
        stage.upload(2.01 + step / 100, picture(1))
        stage.drain()
    stage.pass_time(60)
    prune(stage)
    assert visible(stage) == before
    stage.clock.advance(OLD_S)
    prune(stage)
    assert frame_keys(stage) == [stage.incidents()[0].peak_frame_key]


@pytest.mark.parametrize("seed", range(6))
def test_frames_that_are_judged_again_in_any_order_change_no_incident_that_is_final(
    stage: Stage, seed: int
) -> None:
    rng = random.Random(seed)
    results = [result(stage, tick, rng) for tick in rng.sample(range(150), 90)]

    def record(batch: Iterable[Any]) -> None:
        stage.db.write(
            lambda tx: record_frames(tx, "gate", list(batch), MODEL, RULES, stage.clock())
        )

    record(results)
    end = {"state": tables.ENDED, "end_reason": "gap"}
    for row in stage.incidents():
        if row.state == tables.OPEN:
            stage.db.write(lambda tx, row=row: update_incident(tx, row.id, end))
    before = visible(stage)
    assert len(stage.incidents()) > 3
    stage.clock.advance(OLD_S)
    prune(stage)
    rng.shuffle(results)
    for start in range(0, 90, 7):
        record(results[start : start + 7])
    assert visible(stage) == before


def test_what_the_sweep_may_forget_is_what_this_function_does(stage: Stage) -> None:
    # Domain events stay: there are few a task, and they tell for good that they were heard.
    assert set(REPEATABLE_KINDS) == set(stage.handler()._work) - {"task.completed", "task.reopened"}
    assert set(REPEATABLE_KINDS) >= {kind.value for kind in FrameKind}


def test_the_ledger_s_old_jobs_are_not_needed_by_incidents_that_ended(stage: Stage) -> None:
    walk(stage)
    stage.drain()
    stage.clock.advance(OLD_S + DAY_S)
    before = visible(stage)
    assert stage.ledger.prune(REPEATABLE_KINDS, stage.clock() - timedelta(days=DAYS + 2), 1000) > 25
    left = stage.db.read(lambda tx: tx.execute(select(func.count()).select_from(_jobs())).scalar())
    assert left == 2  # the incident's event, for each subscriber
    stage.pass_time(60)
    assert visible(stage) == before


def _jobs() -> Table:
    from hearth.ledger.ledger import jobs_table

    return jobs_table
