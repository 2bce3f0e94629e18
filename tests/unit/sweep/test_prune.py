"""What the sweep forgets, and what it must not find again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from functions.sweep import prune
from hearth.frames import frame_job
from hearth.ledger.ledger import JobState, NewJob
from hearth.retention import PRUNE, Retention

if TYPE_CHECKING:
    from tests.unit.sweep.conftest import House

DAYS = Retention().days
DAY_S = 86_400.0


def judged(house: House, *keys: str) -> None:
    jobs = house.ledger.claim([], [frame_job(key) for key in keys], timedelta(minutes=1))
    house.db.write(lambda tx: house.ledger.complete_all(tx, jobs))


def prune_jobs(house: House) -> list[str]:
    return [job.dedupe_key for job in house.ledger.list(kind=PRUNE).jobs]


def do_prune_jobs(house: House) -> None:
    ids = [job.id for job in house.ledger.list(JobState.QUEUED, PRUNE).jobs]
    jobs = house.ledger.claim(ids, [], timedelta(minutes=1))
    house.db.write(lambda tx: house.ledger.complete_all(tx, jobs))


@pytest.mark.parametrize("days", [1, 10, 365])
def test_no_job_is_deleted_before_its_frame(house: House, days: int) -> None:
    ladder, now = Retention(days), house.clock()
    # S3 rounds an object's expiry up to midnight.
    assert timedelta(days) < ladder.objects <= now - ladder.rows_before(now)
    assert ladder.rows_before(now) - ladder.jobs_before(now) >= timedelta(days=1)


def test_jobs_of_events_are_deleted_later_and_failed_jobs_and_reports_never(
    house: House,
) -> None:
    told = ["task.created", "notifications.send", "clustering.run", "embeddings.embed"]
    kinds = [*told, "safety.violation.detected", "reports.email"]
    jobs = [NewJob(kind, "q", kind, {}) for kind in kinds]
    house.db.write(lambda tx: house.ledger.add(tx, [*jobs, NewJob("task.due", "q", "f", {})]))
    for kind in kinds:
        ids = [job.id for job in house.ledger.list(JobState.QUEUED, kind).jobs]
        done = house.ledger.claim(ids, [], timedelta(minutes=1))
        house.db.write(lambda tx, done=done: house.ledger.complete_all(tx, done))
    house.clock.advance(Retention().records * DAY_S - 60)
    assert house.swept().pruned == 0
    house.clock.advance(120)
    assert [house.swept().pruned for _ in range(2)] == [len(told), 0]
    left = sorted(job.kind for job in house.ledger.list().jobs)
    assert left == ["reports.email", "safety.violation.detected", "task.due"]


def test_a_new_system_requests_no_clean_up(house: House) -> None:
    judged(house, house.frame())
    house.clock.advance((DAYS + 1) * DAY_S)
    assert house.swept().pruned == 0
    assert prune_jobs(house) == []


def test_detection_is_asked_once_a_day_before_the_ledger_forgets(house: House) -> None:
    judged(house, house.frame())
    house.store.objects.clear()
    house.clock.advance((DAYS + 1) * DAY_S + 60)
    assert [house.swept().pruned for _ in range(3)] == [0, 0, 0]
    assert prune_jobs(house) == ["prune:2026-11-13"]
    assert set(house.hints()) == {"prune:2026-11-13"}

    do_prune_jobs(house)
    house.clock.advance(DAY_S)
    assert [house.swept().pruned for _ in range(3)] == [1, 0, 0]
    assert prune_jobs(house) == ["prune:2026-11-14", "prune:2026-11-13"]


def test_after_a_year_without_runs_detection_is_asked_nevertheless(house: House) -> None:
    judged(house, house.frame())
    house.store.objects.clear()
    house.clock.advance(365 * DAY_S)
    assert house.swept().pruned == 1
    assert len(prune_jobs(house)) == 1


def test_detection_is_asked_again_and_again_after_the_last_camera_is_gone(house: House) -> None:
    judged(house, house.frame())
    house.store.objects.clear()
    house.clock.advance((DAYS + 1) * DAY_S + 60)
    asked = []
    for _ in range(60):
        house.swept()
        asked.append(bool(house.ledger.list(JobState.QUEUED, PRUNE).jobs))
        do_prune_jobs(house)
        house.clock.advance(DAY_S)
    assert all(any(asked[day : day + DAYS + 2]) for day in range(60 - DAYS - 2))
    assert len(prune_jobs(house)) <= DAYS + 2  # the old ones are forgotten too


def test_deleted_jobs_are_not_added_again_by_the_daily_listing(house: House) -> None:
    keys = [house.frame(second=n) for n in range(3)]
    house.swept()  # the first listing
    judged(house, *keys)
    house.clock.advance((DAYS + 2) * DAY_S + 60)
    del house.store.objects[keys[0]]  # S3 is slow with the other two
    for _ in range(3):
        report = house.swept()
        assert report.found == 0
        house.clock.advance(DAY_S)
    assert house.ledger.list(kind="detection.frame").jobs == []


def test_an_object_of_any_age_is_found_while_it_has_not_expired(house: House) -> None:
    house.frame(age_s=DAYS * DAY_S)
    assert house.swept().found == 1


def test_one_run_deletes_a_bounded_number_and_the_next_continues(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "BATCH", 2)
    monkeypatch.setattr(prune, "ROUNDS", 2)
    judged(house, *[house.frame(second=n) for n in range(9)])
    house.store.objects.clear()
    house.clock.advance((DAYS + 2) * DAY_S + 60)
    assert [house.swept().pruned for _ in range(4)] == [4, 4, 1, 0]


def test_a_run_without_time_stops_after_one_transaction(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "BATCH", 2)
    judged(house, *[house.frame(second=n) for n in range(9)])
    house.store.objects.clear()
    house.clock.advance((DAYS + 2) * DAY_S + 60)
    ticks = iter([9.0, 0.0])  # jobs, the first batch
    report = house.sweep().run(lambda: next(ticks))
    assert (report.pruned, report.out_of_time) == (2, True)
