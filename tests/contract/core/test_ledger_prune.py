"""Old jobs that are done are deleted, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from hearth.errors import InvalidInput
from hearth.ledger.ledger import Job, JobState, Ledger, NewJob
from tests.support.fakes import Clock

DAY = timedelta(days=1)


def finish(ledger: Ledger, names: Sequence[str], kind: str = "detection.frame") -> list[Job]:
    """Jobs that are added, claimed and done at once."""
    new = [NewJob(kind, "detection", name, {}) for name in names]
    jobs = ledger.claim([], new, timedelta(minutes=1))
    ledger.db.write(lambda tx: ledger.complete_all(tx, jobs))
    return jobs


def keys(ledger: Ledger) -> list[str]:
    return sorted(job.dedupe_key for job in ledger.list(limit=100).jobs)


def test_an_empty_ledger_has_nothing_to_prune(ledger: Ledger, clock: Clock) -> None:
    assert ledger.prune([], clock(), 10) == 0
    assert ledger.prune(["detection.frame"], clock(), 10) == 0
    assert not ledger.has_done_before(["detection.frame"], clock())


def test_jobs_done_before_the_cutoff_are_deleted_and_those_at_it_stay(
    ledger: Ledger, clock: Clock
) -> None:
    finish(ledger, ["a"])
    clock.advance(1)
    finish(ledger, ["b"])
    assert ledger.has_done_before(["detection.frame"], clock())
    assert ledger.prune(["detection.frame"], clock(), 10) == 1
    assert keys(ledger) == ["b"]
    assert not ledger.has_done_before(["detection.frame"], clock())
    assert ledger.prune(["detection.frame"], clock(), 10) == 0


def test_other_kinds_and_jobs_that_are_not_done_stay(ledger: Ledger, clock: Clock) -> None:
    kind = "detection.frame"
    finish(ledger, ["report"], "safety.violation.detected")
    new = [NewJob(kind, "detection", name, {}) for name in ("failed", "running", "queued")]
    failed, _ = ledger.claim([], new[:2], 100 * DAY)
    ledger.fail(failed, InvalidInput("no picture"))
    ledger.db.write(lambda tx: ledger.add(tx, new[2:]))
    clock.advance(20 * DAY.total_seconds())

    assert ledger.prune([kind], clock(), 10) == 0
    assert keys(ledger) == ["failed", "queued", "report", "running"]


def test_the_oldest_jobs_are_deleted_first_up_to_the_limit(ledger: Ledger, clock: Clock) -> None:
    for number in range(5):
        finish(ledger, [str(number)])
        clock.advance(1)
    assert ledger.prune(["detection.frame"], clock(), 2) == 2
    assert keys(ledger) == ["2", "3", "4"]
    assert [ledger.prune(["detection.frame"], clock(), 2) for _ in range(3)] == [2, 1, 0]


def test_the_limit_applies_to_each_kind(ledger: Ledger, clock: Clock) -> None:
    finish(ledger, ["a", "b"], "detection.frame")
    finish(ledger, ["c", "d"], "detection.end")
    clock.advance(1)
    assert ledger.prune(["detection.frame", "detection.end"], clock(), 1) == 2
    assert len(keys(ledger)) == 2


def test_more_jobs_than_one_statement_holds_are_deleted(ledger: Ledger, clock: Clock) -> None:
    names = [f"{number:04}" for number in range(1203)]
    finish(ledger, names)
    clock.advance(1)
    assert ledger.prune(["detection.frame"], clock(), 2000) == 1203
    assert keys(ledger) == []


def test_a_job_that_finished_late_holds_the_others_back_only_until_it_is_old_itself(
    ledger: Ledger, clock: Clock
) -> None:
    new = [NewJob("detection.frame", "detection", "late", {})]
    ledger.db.write(lambda tx: ledger.add(tx, new))
    finish(ledger, ["a", "b"])
    clock.advance(60)
    finish(ledger, ["late"])
    assert ledger.prune(["detection.frame"], clock(), 1) == 0
    clock.advance(1)
    assert [ledger.prune(["detection.frame"], clock(), 1) for _ in range(4)] == [1, 1, 1, 0]


def test_a_pruned_dedupe_key_makes_a_new_job(ledger: Ledger, clock: Clock) -> None:
    [old] = finish(ledger, ["a"])
    clock.advance(1)
    ledger.prune(["detection.frame"], clock(), 10)
    [new] = finish(ledger, ["a"])
    assert new.id != old.id
    assert ledger.get(new.id).state is JobState.DONE


def test_a_prune_that_fails_halfway_has_deleted_whole_kinds(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(ledger, ["a"], "detection.frame")
    finish(ledger, ["b"], "detection.end")
    clock.advance(1)
    write, calls = ledger.db.write, iter([True, False])

    def killed(fn):  # type: ignore[no-untyped-def]
        if not next(calls):
            raise KeyboardInterrupt
        return write(fn)

    monkeypatch.setattr(ledger.db, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        ledger.prune(["detection.frame", "detection.end"], clock(), 10)
    assert keys(ledger) == ["b"]
