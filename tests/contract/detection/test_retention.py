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
from tests.contract.detection.harness import DAYS, DetectionHarness, frame_jpeg
from tests.contract.detection.test_incidents import MODEL, RULES, result
from tests.support.fakes import LambdaContext, sqs_event

DAY_S = 86_400.0
OLD_S = (DAYS + 1) * DAY_S + 60
LIFE = ("pruned_at", "prune_cursor", "pruned_until", "changes")


def walk(
    harness: DetectionHarness, begin: float = 0, frames: int = 25, camera: str = "gate"
) -> list[str]:
    """One person walks through the picture at 5 frames a second; then the stream ends."""
    times = [begin + n / 5 for n in range(frames)]
    keys = [
        harness.upload(time, frame_jpeg(0 if n < 5 or n >= frames - 5 else 1, 6 + n % 3), camera)
        for n, time in enumerate(times)
    ]
    harness.end(times[-1], camera)
    return keys


def expire(harness: DetectionHarness) -> None:
    """What the bucket's lifecycle rule does to frames."""
    for key in [key for key in harness.store.objects if key.startswith("frames/")]:
        harness.store.delete(key)


def prune(harness: DetectionHarness, context: LambdaContext | None = None) -> None:
    """The day's job, by one worker, until it is done."""
    jobs = harness.db.write(lambda tx: harness.ledger.add(tx, [prune_job(harness.clock())]))
    harness.queues.sent = []
    notice = {"job_id": jobs[0].id, "kind": jobs[0].kind}
    worker = harness.handler()
    while harness.ledger.get(jobs[0].id).state is not JobState.DONE:
        answer = worker(sqs_event(notice), context or LambdaContext())
        assert answer == {"batchItemFailures": []}
        harness.clock.advance(10)


def rows(harness: DetectionHarness, table: Table) -> list[dict[str, Any]]:
    """A table's rows without what pruning notes for itself."""
    found: Sequence[Any] = harness.db.read(
        lambda tx: tx.execute(select(table).order_by(*table.primary_key.columns)).all()
    )
    return [{k: v for k, v in row._mapping.items() if k not in LIFE} for row in found]


def frame_keys(harness: DetectionHarness) -> list[str]:
    return [row["frame_key"] for row in rows(harness, tables.frames)]


def everything(harness: DetectionHarness) -> list[Any]:
    return [rows(harness, table) for table in tables.metadata.sorted_tables]


def visible(harness: DetectionHarness) -> str:
    """What people can see: whole incidents, and events."""
    return repr(
        [[row._mapping[k] for k in row._mapping if k not in LIFE] for row in harness.incidents()]
    )


def test_pruning_empty_tables_changes_nothing(harness: DetectionHarness) -> None:
    prune(harness)
    assert not any(everything(harness))


def test_recent_rows_are_kept(harness: DetectionHarness) -> None:
    walk(harness)
    harness.drain()
    before = everything(harness)
    harness.clock.advance((DAYS + 1) * DAY_S - 60)
    prune(harness)
    assert everything(harness) == before


def test_old_frames_are_deleted_and_incidents_peaks_and_counters_are_kept(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    harness.drain()
    [incident] = harness.incidents()
    cameras, incidents = rows(harness, tables.cameras), rows(harness, tables.incidents)
    detail = Queries(_Storage(harness), str.encode).get_incident(incident.id)
    harness.clock.advance(OLD_S)
    prune(harness)
    assert frame_keys(harness) == [incident.peak_frame_key]
    assert rows(harness, tables.observations) == []
    assert rows(harness, tables.cameras) == cameras
    assert rows(harness, tables.incidents) == incidents
    assert Queries(_Storage(harness), str.encode).get_incident(incident.id) == detail
    assert detail.peak is not None


@dataclass
class _Storage:
    harness: DetectionHarness

    @property
    def db(self) -> Any:
        return self.harness.db

    @property
    def store(self) -> Any:
        return self.harness.store


def test_pruning_is_idempotent(harness: DetectionHarness) -> None:
    walk(harness)
    harness.drain()
    harness.clock.advance(OLD_S)
    prune(harness)
    before = everything(harness)
    harness.clock.advance(DAY_S)
    prune(harness)
    assert everything(harness) == before


def test_frames_of_an_open_incident_are_kept_until_it_is_settled(harness: DetectionHarness) -> None:
    keys = [harness.upload(n / 5, frame_jpeg(1 if n >= 5 else 0)) for n in range(20)]
    harness.drain()
    harness.clock.advance(OLD_S)
    prune(harness)
    assert frame_keys(harness) == keys[5:]
    assert len(rows(harness, tables.observations)) == 15
    harness.pass_time(60)
    [incident] = harness.incidents()
    assert (incident.state, incident.end_reason, incident.frames) == ("ended", "silence", 15)
    assert len(harness.events()) == 1


def test_a_failed_frame_is_kept_like_its_failed_job(harness: DetectionHarness) -> None:
    broken = harness.upload(0, b"no picture")
    walk(harness, 10)
    harness.drain()
    harness.clock.advance(OLD_S)
    prune(harness)
    assert broken in frame_keys(harness)
    assert [job.payload["key"] for job in harness.ledger.list(JobState.FAILED).jobs] == [broken]
    assert harness.camera().failed == 1


def test_unreported_episodes_are_deleted(harness: DetectionHarness) -> None:
    harness.upload(0, frame_jpeg(1))
    harness.drain()
    assert [row["state"] for row in rows(harness, tables.incidents)] == ["candidate"]
    harness.clock.advance(OLD_S)
    prune(harness)
    assert rows(harness, tables.incidents) == rows(harness, tables.frames) == []


def test_a_clip_uploaded_again_after_pruning_is_not_reported_again(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    harness.drain()
    before, events = visible(harness), harness.events()
    harness.clock.advance(OLD_S + DAY_S)
    expire(harness)
    prune(harness)
    harness.ledger.prune(REPEATABLE_KINDS, harness.clock(), 1000)
    walk(harness)
    harness.drain(shuffle=random.Random(5))
    harness.pass_time(60)
    assert harness.detector.seen == 50
    assert (visible(harness), harness.events()) == (before, events)
    assert harness.unfinished() == []


@pytest.mark.parametrize("begin", [-DAY_S * 400, -30.0, 60.0, OLD_S - 3600])
def test_frames_captured_before_the_retention_that_come_late_are_judged_and_reported(
    harness: DetectionHarness, begin: float
) -> None:
    walk(harness)
    harness.drain()
    [first] = harness.incidents()
    harness.clock.advance(OLD_S)
    prune(harness)
    walk(harness, begin)
    harness.clock.advance(3600)
    harness.drain()
    harness.pass_time(60)
    [late] = [row for row in harness.incidents() if row.id != first.id]
    assert (late.state, late.frames) == ("ended", 15)
    assert len(harness.events()) == 2
    assert harness.camera().frames == 50
    harness.clock.advance(DAY_S)
    prune(harness)  # judged yesterday: not old
    assert len(frame_keys(harness)) == 26


def test_a_late_frame_beside_a_pruned_incident_does_not_change_it(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    harness.drain()
    before = visible(harness)
    harness.clock.advance(OLD_S)
    prune(harness)
    for time in (2.05, 2.15, 3.85):  # twice inside, and once less than the gap behind it
        harness.upload(time, frame_jpeg(1))
    harness.drain()
    harness.pass_time(60)
    assert visible(harness) == before


def test_pruning_keeps_the_frames_of_other_cameras(harness: DetectionHarness) -> None:
    walk(harness, camera="gate")
    harness.drain()
    harness.clock.advance(OLD_S)
    kept = walk(harness, begin=OLD_S, camera="gate-2")
    harness.drain()
    prune(harness)
    there = [key for key in frame_keys(harness) if key.startswith(camera_prefix("gate-2"))]
    assert there == kept


class Draining(LambdaContext):
    """An invocation in which each look at the clock costs most of a second."""

    def get_remaining_time_in_millis(self) -> int:
        self.remaining_s -= 0.8
        return int(self.remaining_s * 1000)


@pytest.mark.parametrize(("frames", "most", "incidents"), [(1, 1, 1), (4, 3, 1), (5, 100, 2)])
def test_pruning_gives_the_same_result_with_any_step_and_slice_size(
    harness: DetectionHarness,
    monkeypatch: pytest.MonkeyPatch,
    frames: int,
    most: int,
    incidents: int,
) -> None:
    monkeypatch.setattr(old_rows, "FRAMES", frames)
    monkeypatch.setattr(old_rows, "ROWS", most)
    monkeypatch.setattr(old_rows, "INCIDENTS", incidents)
    for begin in (0, 100, 200):
        walk(harness, begin)
    walk(harness, 50, camera="yard")
    harness.drain()
    harness.clock.advance(OLD_S + 300)
    jobs = harness.db.write(lambda tx: harness.ledger.add(tx, [prune_job(harness.clock())]))
    worker, slices = harness.handler(), 0
    while harness.ledger.get(jobs[0].id).state is not JobState.DONE:
        notice = {"job_id": jobs[0].id, "kind": jobs[0].kind}
        worker(sqs_event(notice), Draining(remaining_s=30))
        harness.clock.advance(10)
        slices += 1
    assert slices > 1
    peaks = sorted(row.peak_frame_key for row in harness.incidents())
    assert frame_keys(harness) == peaks
    assert len(peaks) == 4
    assert rows(harness, tables.observations) == []
    assert harness.ledger.get(jobs[0].id).attempts == 1


def test_a_worker_that_dies_while_pruning_loses_no_row(
    harness: DetectionHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_rows, "FRAMES", 4)
    walk(harness)
    harness.drain()
    before = visible(harness)
    harness.clock.advance(OLD_S)
    limit = harness.clock() - timedelta(days=DAYS + 1)
    for step in range(3):

        def killed(tx: Any, step: int = step) -> None:
            old_rows.prune_camera(tx, "gate", limit, harness.clock())
            if step % 2:
                raise KeyboardInterrupt

        try:
            harness.db.write(killed)
        except KeyboardInterrupt:
            continue
        # Between two steps life goes on, half of the incident's frames being gone.
        harness.upload(2.01 + step / 100, frame_jpeg(1))
        harness.drain()
    harness.pass_time(60)
    prune(harness)
    assert visible(harness) == before
    harness.clock.advance(OLD_S)
    prune(harness)
    assert frame_keys(harness) == [harness.incidents()[0].peak_frame_key]


@pytest.mark.parametrize("seed", range(6))
def test_frames_that_are_judged_again_in_any_order_change_no_incident_that_is_final(
    harness: DetectionHarness, seed: int
) -> None:
    rng = random.Random(seed)
    results = [result(harness, tick, rng) for tick in rng.sample(range(150), 90)]

    def record(batch: Iterable[Any]) -> None:
        harness.db.write(
            lambda tx: record_frames(tx, "gate", list(batch), MODEL, RULES, harness.clock())
        )

    record(results)
    end = {"state": tables.ENDED, "end_reason": "gap"}
    for row in harness.incidents():
        if row.state == tables.OPEN:
            harness.db.write(lambda tx, row=row: update_incident(tx, row.id, end))
    before = visible(harness)
    assert len(harness.incidents()) > 3
    harness.clock.advance(OLD_S)
    prune(harness)
    rng.shuffle(results)
    for start in range(0, 90, 7):
        record(results[start : start + 7])
    assert visible(harness) == before


def test_repeatable_kinds_match_the_kinds_of_this_function(harness: DetectionHarness) -> None:
    # Domain events stay: there are few a task, and they record that they were handled.
    assert set(REPEATABLE_KINDS) == set(harness.handler()._work) - {
        "task.completed",
        "task.reopened",
    }
    assert set(REPEATABLE_KINDS) >= {kind.value for kind in FrameKind}


def test_the_ledger_s_old_jobs_are_not_needed_by_incidents_that_ended(
    harness: DetectionHarness,
) -> None:
    walk(harness)
    harness.drain()
    harness.clock.advance(OLD_S + DAY_S)
    before = visible(harness)
    assert (
        harness.ledger.prune(REPEATABLE_KINDS, harness.clock() - timedelta(days=DAYS + 2), 1000)
        > 25
    )
    left = harness.db.read(
        lambda tx: tx.execute(select(func.count()).select_from(_jobs())).scalar()
    )
    assert left == 2  # the incident's event, for each subscriber
    harness.pass_time(60)
    assert visible(harness) == before


def _jobs() -> Table:
    from hearth.ledger.ledger import jobs_table

    return jobs_table
