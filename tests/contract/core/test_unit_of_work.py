"""The unit of work and its outbox, on each database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from hearth.db import Database
from hearth.errors import Unavailable
from hearth.ledger.events import Event, Publisher
from hearth.ledger.ledger import JobState, Ledger, NewJob, UnitOfWork
from hearth.ledger.unit_of_work import SYSTEM
from tests.support.fakes import Clock, MemoryQueues

SUBSCRIBERS = {"door.opened": ["analytics", "notifications"], "door.closed": ["analytics"]}


@pytest.fixture
def ledger(db: Database, queues: MemoryQueues, clock: Clock) -> Ledger:
    return Ledger(db, queues, now=clock, publisher=Publisher("doors", SUBSCRIBERS))


def opened(clock: Clock, number: int = 1) -> Event:
    return Event("door.opened", f"front:{number}", clock(), "front", {"by": "Ana"})


def new(name: str, **more: Any) -> NewJob:
    return NewJob("test.job", "test", name, {}, **more)


class SerializationFailure(Exception):
    sqlstate = "40001"


def busy_twice(then: Callable[[UnitOfWork], None], seen: list[UnitOfWork]) -> Any:
    """`then`, which the database refuses twice before it lets it through."""

    def fn(work: UnitOfWork) -> None:
        seen.append(work)
        then(work)
        if len(seen) < 3:
            if work.tx.dialect.name == "postgresql":
                raise OperationalError("COMMIT", {}, SerializationFailure())
            raise OperationalError("COMMIT", {}, _locked())

    return fn


def _locked() -> Exception:
    import sqlite3

    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def test_an_event_makes_one_job_for_each_subscriber(
    ledger: Ledger, queues: MemoryQueues, clock: Clock
) -> None:
    ledger.transact(lambda work: work.emit(opened(clock)))
    jobs = ledger.list(kind="door.opened").jobs
    assert sorted(job.queue for job in jobs) == ["analytics", "notifications"]
    assert {job.payload["source"] for job in jobs} == {"/hearth/doors"}
    for job in jobs:
        (hint,) = queues.take(job.queue)
        assert hint.body == {"job_id": job.id, "kind": "door.opened"}


def test_an_event_that_nobody_subscribes_to_makes_no_job(
    ledger: Ledger, queues: MemoryQueues, clock: Clock
) -> None:
    ledger.transact(lambda work: work.emit(Event("door.locked", "1", clock(), "front")))
    assert ledger.list().jobs == []
    assert queues.take("analytics") == []


def test_the_same_event_again_adds_no_second_job(ledger: Ledger, clock: Clock) -> None:
    for _ in range(2):
        ledger.transact(lambda work: work.emit(opened(clock), opened(clock)))
    assert len(ledger.list().jobs) == 2


def test_each_retry_of_the_transaction_begins_with_an_empty_outbox(
    ledger: Ledger, queues: MemoryQueues, clock: Clock
) -> None:
    seen: list[UnitOfWork] = []

    def write(work: UnitOfWork) -> None:
        # What is added depends on the attempt: a kept outbox would add all three.
        work.add(new(f"attempt {len(seen)}"))
        work.emit(opened(clock, len(seen)))

    ledger.transact(busy_twice(write, seen))
    assert len(set(map(id, seen))) == 3
    assert sorted(job.dedupe_key for job in ledger.list().jobs) == [
        "attempt 3",
        "event:door.opened:front:3:analytics",
        "event:door.opened:front:3:notifications",
    ]
    assert len(queues.take("test")) == 1
    assert len(queues.take("analytics")) == 1


def test_a_transaction_that_fails_adds_and_announces_nothing(
    ledger: Ledger, queues: MemoryQueues, clock: Clock
) -> None:
    def write(work: UnitOfWork) -> None:
        work.add(new("a"))
        work.emit(opened(clock))
        work.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ledger.transact(write)
    assert ledger.list().jobs == []
    assert [queues.take(name) for name in ("test", "analytics", "notifications")] == [[], [], []]


def test_a_database_that_stays_busy_announces_nothing(
    ledger: Ledger, queues: MemoryQueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hearth.db.time.sleep", lambda seconds: None)

    def write(work: UnitOfWork) -> None:
        work.add(new("a"))
        busy_twice(lambda work: None, [])(work)

    with pytest.raises(Unavailable):
        ledger.transact(write)
    assert ledger.list().jobs == []
    assert queues.take("test") == []


def test_jobs_are_announced_after_the_commit(
    db: Database, queues: MemoryQueues, clock: Clock
) -> None:
    committed: list[int] = []

    class Watching(MemoryQueues):
        def send(self, *args: Any, **more: Any) -> None:
            count = text("SELECT count(*) FROM jobs")
            committed.append(db.read(lambda tx: tx.execute(count).scalar_one()))

    ledger = Ledger(db, Watching(), now=clock)
    ledger.transact(lambda work: work.add(new("a"), new("b")))
    assert committed == [2]


def test_what_is_written_and_what_follows_from_it_commit_together(
    ledger: Ledger, db: Database
) -> None:
    db.write(lambda tx: tx.execute(text("CREATE TABLE facts (name TEXT)")))

    def write(work: UnitOfWork) -> str:
        work.tx.execute(text("INSERT INTO facts VALUES ('open')"))
        work.add(new("a"))
        return "written"

    assert ledger.transact(write) == "written"
    assert db.read(lambda tx: tx.execute(text("SELECT name FROM facts")).scalars().all()) == [
        "open"
    ]
    assert ledger.states(["a"]) == {"a": JobState.QUEUED}


def test_the_unit_of_work_names_who_acts_and_when(ledger: Ledger, clock: Clock) -> None:
    def look(work: UnitOfWork) -> tuple[str, Any]:
        return work.actor, work.now

    assert ledger.transact(look) == (SYSTEM, clock())
    clock.advance(60)
    assert ledger.transact(look, "01J0000000000000000000ANA0") == (
        "01J0000000000000000000ANA0",
        clock(),
    )


def test_flush_gives_the_rows_of_the_jobs_before_the_commit(
    ledger: Ledger, queues: MemoryQueues
) -> None:
    def write(work: UnitOfWork) -> list[str]:
        work.add(new("a"))
        first = [job.dedupe_key for job in work.flush()]
        work.add(new("b"))
        return first

    assert ledger.transact(write) == ["a"]
    assert len(queues.take("test")) == 2
    assert ledger.states(["a", "b"]) == {"a": JobState.QUEUED, "b": JobState.QUEUED}


def test_a_job_that_runs_already_is_left_alone(ledger: Ledger, queues: MemoryQueues) -> None:
    ledger.transact(lambda work: work.add(new("a")))
    (job,) = ledger.claim([], [new("a")], timedelta(seconds=30))
    queues.take("test")
    ledger.transact(lambda work: work.add(new("a")))
    assert ledger.get(job.id).state is JobState.RUNNING
    assert queues.take("test") == []


def test_a_function_that_names_no_source_cannot_publish(
    db: Database, queues: MemoryQueues, clock: Clock
) -> None:
    ledger = Ledger(db, queues, now=clock)
    with pytest.raises(RuntimeError, match="source"):
        ledger.transact(lambda work: work.emit(opened(clock)))
