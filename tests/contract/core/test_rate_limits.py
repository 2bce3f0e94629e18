"""Limits that several processes share, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, event, func, select

from hearth.db import Database
from hearth.http.rate_limits import WINDOW_S, Quota, RateLimits, metadata, rate_limits
from tests.support.fakes import Clock


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.close()


class Process:
    """One process of a function: its own limits on the shared database."""

    def __init__(self, db: Database, clock: Clock, limit: int = 10, **given: Any) -> None:
        self._limits = RateLimits(db, limit, now=clock, **given)

    def ask(self, caller: str = "user:a", times: int = 1) -> list[Quota]:
        async def take() -> list[Quota]:
            return [await self._limits.take(caller) for _ in range(times)]

        return asyncio.run(take())


def admitted(quotas: list[Quota]) -> int:
    return sum(quota.admitted for quota in quotas)


def rows(db: Database) -> int:
    return db.read(
        lambda tx: tx.execute(select(func.count()).select_from(rate_limits)).scalar_one()
    )


@pytest.fixture
def writes(db: Database) -> Iterator[list[str]]:
    """The INSERTs that reach the database."""
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT"):
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(db.engine, "before_cursor_execute", note)


def test_the_table_matches_the_code(db: Database) -> None:
    def differences(tx: Connection) -> list[object]:
        only = {
            "include_name": lambda name, kind, parents: kind != "table" or name == "rate_limits",
            "compare_type": True,
        }
        return list(compare_metadata(MigrationContext.configure(tx, opts=only), metadata))

    assert db.read(differences) == []


def test_before_any_request_the_whole_limit_is_left(db: Database, clock: Clock) -> None:
    [quota] = Process(db, clock).ask()
    assert (quota.admitted, quota.limit, quota.remaining) == (True, 10, 9)
    assert 1 <= quota.resets_in_s <= WINDOW_S
    assert timedelta() < quota.resets_at - clock() <= timedelta(seconds=WINDOW_S)


def test_one_process_admits_exactly_the_limit(db: Database, clock: Clock) -> None:
    quotas = Process(db, clock).ask(times=15)
    assert [quota.admitted for quota in quotas] == [True] * 10 + [False] * 5
    assert [quota.remaining for quota in quotas] == [*range(9, -1, -1), 0, 0, 0, 0, 0]


def test_a_new_window_has_the_whole_limit(db: Database, clock: Clock) -> None:
    process = Process(db, clock)
    last = process.ask(times=11)[-1]
    assert not last.admitted
    clock.advance(last.resets_in_s)
    assert process.ask()[0].remaining == 9


def test_each_caller_has_its_own_limit(db: Database, clock: Clock) -> None:
    process = Process(db, clock)
    assert admitted(process.ask("user:a", 11)) == 10
    assert admitted(process.ask("user:b", 11)) == 10


def test_processes_share_one_limit(db: Database, clock: Clock) -> None:
    replicas = [Process(db, clock, limit=100) for _ in range(4)]
    total = sum(admitted(process.ask()) for _ in range(50) for process in replicas)
    # What one has taken and another would need is lost: a little, never more than the limit.
    assert 90 <= total <= 100


def test_a_caller_spread_over_many_processes_gets_the_whole_limit(
    db: Database, clock: Clock
) -> None:
    assert admitted([Process(db, clock, limit=60).ask()[0] for _ in range(60)]) == 60
    assert not Process(db, clock, limit=60).ask()[0].admitted


def test_a_restart_keeps_the_counts(db: Database, clock: Clock) -> None:
    Process(db, clock).ask(times=10)
    assert not Process(db, clock).ask()[0].admitted


def test_requests_at_the_same_time_are_all_counted(db: Database, clock: Clock) -> None:
    taken: list[Quota] = []

    def work() -> None:
        taken.extend(Process(db, clock, limit=50).ask(times=20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 80
    assert 40 <= admitted(taken) <= 50


def test_a_busy_caller_costs_few_writes_and_a_rejected_one_none(
    db: Database, clock: Clock, writes: list[str]
) -> None:
    process = Process(db, clock, limit=600)
    assert admitted(process.ask(times=600)) == 600
    assert len(writes) <= 60
    before = len(writes)
    assert admitted(process.ask(times=100)) == 0
    assert len(writes) <= before + 1


def test_a_clock_that_is_behind_does_not_reopen_the_window(db: Database, clock: Clock) -> None:
    behind = Clock(clock() - timedelta(seconds=90))
    Process(db, clock).ask(times=10)
    assert not Process(db, behind).ask()[0].admitted


def test_expired_windows_are_deleted(db: Database, clock: Clock) -> None:
    process = Process(db, clock)
    for n in range(30):
        process.ask(f"address:{n}")
    assert rows(db) == 30
    clock.advance(3 * WINDOW_S)
    process.ask("user:a")
    assert rows(db) == 1


def test_a_process_remembers_a_bounded_number_of_callers(
    db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hearth.http.rate_limits._KNOWN_CALLERS", 5)
    process = Process(db, clock)
    for n in range(8):
        process.ask(f"address:{n}", 10)
    assert len(process._limits._shares) == 5
    assert not process.ask("address:0")[0].admitted, "the database has not forgotten"


# ---- without the database ----


def broken(db: Database, monkeypatch: pytest.MonkeyPatch, write: Callable[..., Any]) -> None:
    monkeypatch.setattr(db, "write", write)


def test_requests_are_admitted_while_the_database_is_unavailable(
    db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database("sqlite:////nowhere/at/all/hearth.db")
    tries = 0
    write = away.write

    def counted(fn: Callable[[Connection], Any]) -> Any:
        nonlocal tries
        tries += 1
        return write(fn)

    process = Process(away, clock)
    broken(away, monkeypatch, counted)
    # Each process counts alone, up to the same limit.
    assert admitted(process.ask(times=15)) == 10
    assert tries == 1
    assert "counted without the database" in caplog.text
    broken(away, monkeypatch, db.write)
    clock.advance(WINDOW_S)
    assert process.ask()[0].admitted
    assert rows(db) == 1


def test_a_slow_database_delays_no_request(
    db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()
    broken(db, monkeypatch, lambda fn: stuck.wait(20) and (clock(), 1))
    process = Process(db, clock, patience_s=0.05)
    try:
        assert admitted(process.ask(times=3)) == 3
        clock.advance(10)  # it may be asked again, but has not answered yet
        assert admitted(process.ask(times=3)) == 3
        assert not stuck.is_set()
    finally:
        stuck.set()
