"""The circuit breaker and its table, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from hearth.db import Database
from hearth_llm.breaker import CircuitBreaker
from hearth_llm.breaker_table import metadata
from tests.support.fakes import Clock


def test_the_table_is_what_the_migrations_make(db: Database) -> None:
    def differences(tx: Connection) -> list[object]:
        def ours(name: str | None, kind: str, parents: object) -> bool:
            return kind != "table" or name in metadata.tables

        options = {"include_name": ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(tx, opts=options), metadata))

    assert db.read(differences) == []


def breaker(db: Database, clock: Clock, name: str = "llm") -> CircuitBreaker:
    return CircuitBreaker(db, name, clock)


def test_a_breaker_opens_after_five_failures_in_a_row_for_every_replica(db: Database) -> None:
    clock = Clock()
    for _ in range(4):
        breaker(db, clock).record_failure()
    assert breaker(db, clock).allows_call()
    breaker(db, clock).record_failure()
    assert not breaker(db, clock).allows_call()
    assert breaker(db, clock, "another").allows_call()


def test_a_success_in_between_starts_the_count_anew(db: Database) -> None:
    clock = Clock()
    for _ in range(4):
        breaker(db, clock).record_failure()
    breaker(db, clock).record_success()
    breaker(db, clock).record_failure()
    assert breaker(db, clock).allows_call()


def opened(db: Database, clock: Clock) -> CircuitBreaker:
    for _ in range(5):
        breaker(db, clock).record_failure()
    return breaker(db, clock)


def test_after_thirty_seconds_one_caller_may_probe(db: Database) -> None:
    clock = Clock()
    first, second = opened(db, clock), breaker(db, clock)
    clock.advance(29.9)
    assert not first.allows_call()
    clock.advance(0.1)
    assert [first.allows_call(), second.allows_call(), first.allows_call()] == [True, False, False]


def test_a_probe_that_succeeds_closes_it(db: Database) -> None:
    clock = Clock()
    probe = opened(db, clock)
    clock.advance(30)
    assert probe.allows_call()
    probe.record_success()
    assert [breaker(db, clock).allows_call() for _ in range(3)] == [True] * 3


def test_a_probe_that_fails_keeps_it_open_for_thirty_seconds_more(db: Database) -> None:
    clock = Clock()
    probe = opened(db, clock)
    clock.advance(30)
    assert probe.allows_call()
    probe.record_failure()
    clock.advance(29)
    assert not breaker(db, clock).allows_call()
    clock.advance(1)
    assert breaker(db, clock).allows_call()


def test_a_probe_whose_process_died_does_not_block_for_ever(db: Database) -> None:
    clock = Clock()
    probe = opened(db, clock)
    clock.advance(30)
    assert probe.allows_call()
    clock.time += timedelta(seconds=60)
    assert breaker(db, clock).allows_call()
