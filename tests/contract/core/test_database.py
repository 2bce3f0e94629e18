"""The same promises on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from hearth.db import Database, JsonText, UtcDateTime, engine_url
from hearth.errors import Conflict, InvalidInput, Unavailable

things = Table(
    "things",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("at", UtcDateTime),
    Column("value", JsonText),
    Column("n", Integer),
)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    things.metadata.create_all(database.engine)
    yield database
    database.close()


def add(db: Database, name: str, **values: Any) -> None:
    db.write(lambda tx: tx.execute(insert(things).values(name=name, **values)))


def names(db: Database) -> list[str]:
    query = select(things.c.name).order_by(things.c.name)
    return list(db.read(lambda tx: tx.execute(query).scalars().all()))


def test_a_write_commits_and_returns_what_the_function_returned(db: Database) -> None:
    def write(tx: Connection) -> int:
        tx.execute(insert(things).values(name="a"))
        return 7

    assert db.write(write) == 7
    assert names(db) == ["a"]


def test_an_exception_rolls_back_and_propagates(db: Database) -> None:
    def write(tx: Connection) -> None:
        tx.execute(insert(things).values(name="a"))
        raise InvalidInput("no")

    with pytest.raises(InvalidInput, match="no"):
        db.write(write)
    assert names(db) == []


def test_changes_made_by_a_read_are_rolled_back(db: Database) -> None:
    db.read(lambda tx: tx.execute(insert(things).values(name="a")))
    assert names(db) == []


def test_a_broken_constraint_is_a_conflict(db: Database) -> None:
    add(db, "a")
    with pytest.raises(Conflict):
        add(db, "a")
    assert names(db) == ["a"]


def test_an_invalid_statement_is_not_translated(db: Database) -> None:
    with pytest.raises(DBAPIError):
        db.read(lambda tx: tx.execute(text("SELECT * FROM nowhere")))
    with pytest.raises(DBAPIError):
        db.write(lambda tx: tx.execute(text("SELEKT")))


def test_a_read_inside_a_write_sees_the_committed_state(db: Database) -> None:
    def write(tx: Connection) -> list[str]:
        tx.execute(insert(things).values(name="a"))
        return names(db)

    assert db.write(write) == []


def test_a_nested_write_is_a_programming_error(db: Database) -> None:
    with pytest.raises(RuntimeError, match="write inside a write"):
        db.write(lambda tx: add(db, "a"))
    add(db, "a")
    assert names(db) == ["a"]


def test_concurrent_read_modify_writes_lose_no_update(db: Database, database_url: str) -> None:
    add(db, "counter", n=0)
    others = [Database(database_url) for _ in range(3)]

    def count(database: Database) -> None:
        for _ in range(20):
            database.write(increment)

    def increment(tx: Connection) -> None:
        if tx.dialect.name == "postgresql":
            tx.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        n = tx.execute(select(things.c.n)).scalar_one()
        tx.execute(things.update().values(n=n + 1))

    # Two threads share each database, so both the lock within and the retries between are used.
    threads = [threading.Thread(target=count, args=[other]) for other in others * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert db.read(lambda tx: tx.execute(select(things.c.n)).scalar_one()) == 120


@pytest.mark.parametrize(
    "when",
    [
        None,
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 11, 2, 7, 30, 0, 1, tzinfo=UTC),
        datetime(2026, 11, 2, 7, 30, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_a_time_keeps_its_zone_and_microseconds(db: Database, when: datetime | None) -> None:
    add(db, "a", at=when)
    found = db.read(lambda tx: tx.execute(select(things.c.at)).scalar_one())
    assert found == when
    assert found is None or found.tzinfo is UTC


def test_times_compare_in_sql_as_in_python(db: Database) -> None:
    now = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
    for name, shift in (("a", -1), ("b", 0), ("c", 1)):
        add(db, name, at=now + timedelta(microseconds=shift))
    query = select(things.c.name).where(things.c.at <= now).order_by(things.c.at.desc())
    assert list(db.read(lambda tx: tx.execute(query).scalars().all())) == ["b", "a"]


def test_a_naive_time_is_rejected(db: Database) -> None:
    with pytest.raises(StatementError, match="timezone-aware"):
        add(db, "a", at=datetime(2026, 11, 2))  # noqa: DTZ001


@pytest.mark.parametrize("value", [None, {}, [], 0, 1.5, "", "ü\x00\ud800", {"a": [1, None]}])
def test_a_json_value_is_read_back_unchanged(db: Database, value: Any) -> None:
    add(db, "a", value=value)
    assert db.read(lambda tx: tx.execute(select(things.c.value)).scalar_one()) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"bytes", datetime.now(UTC)])
def test_a_value_that_is_not_json_is_rejected(db: Database, value: Any) -> None:
    with pytest.raises(InvalidInput, match="not JSON"):
        add(db, "a", value=value)


def test_a_value_that_postgresql_cannot_store_is_invalid_input(postgres_url: str) -> None:
    database = Database(postgres_url)
    with pytest.raises(InvalidInput):
        database.read(lambda tx: tx.execute(text("SELECT :name"), {"name": "a\x00"}))
    database.close()


def test_a_closed_database_opens_again_when_used(db: Database) -> None:
    db.close()
    assert names(db) == []


@pytest.mark.parametrize(
    "url",
    ["", "hearth.db", "mysql://h/db", "sqlite://", "sqlite:///:memory:", "postgresql://h:port/db"],
)
def test_any_other_url_is_rejected_with_the_forms_that_work(url: str) -> None:
    with pytest.raises(InvalidInput, match="use sqlite"):
        engine_url(url)


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all/hearth.db", "postgresql://hearth@127.0.0.1:9/hearth"]
)
def test_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    database = Database(url)
    with pytest.raises(Unavailable):
        database.read(lambda tx: tx.execute(text("SELECT 1")))
    with pytest.raises(Unavailable):
        database.write(lambda tx: tx.execute(text("SELECT 1")))


def test_an_unknown_postgresql_database_or_role_is_unavailable(postgres_server: str) -> None:
    for url in (
        f"{postgres_server}/nowhere",
        postgres_server.replace("hearth@", "nobody@") + "/postgres",
    ):
        with pytest.raises(Unavailable):
            Database(url).read(lambda tx: tx.execute(text("SELECT 1")))


def test_a_connection_closed_by_the_server_is_replaced(postgres_url: str) -> None:
    database = Database(postgres_url)
    pid = database.read(lambda tx: tx.execute(text("SELECT pg_backend_pid()")).scalar_one())
    killer = Database(postgres_url)
    killer.read(lambda tx: tx.execute(text(f"SELECT pg_terminate_backend({pid})")))
    assert database.read(lambda tx: tx.execute(text("SELECT 1")).scalar_one()) == 1
    database.close()
    killer.close()


def test_a_write_whose_connection_was_closed_meanwhile_begins_again(postgres_url: str) -> None:
    database, killer = Database(postgres_url), Database(postgres_url)
    database.write(lambda tx: tx.execute(text("CREATE TABLE doors (name TEXT)")))
    pid = database.read(lambda tx: tx.execute(text("SELECT pg_backend_pid()")).scalar_one())
    killer.read(lambda tx: tx.execute(text(f"SELECT pg_terminate_backend({pid})")))
    database.write(lambda tx: tx.execute(text("INSERT INTO doors VALUES ('front')")))
    count = text("SELECT count(*) FROM doors")
    assert database.read(lambda tx: tx.execute(count).scalar_one()) == 1
    database.close()
    killer.close()


def test_a_write_whose_commit_was_not_answered_is_not_repeated(postgres_url: str) -> None:
    database, killer = Database(postgres_url), Database(postgres_url)
    runs = []

    def cut_before_the_commit(tx: Connection) -> None:
        runs.append(1)
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        killer.read(lambda other: other.execute(text(f"SELECT pg_terminate_backend({pid})")))

    with pytest.raises(Unavailable):
        database.write(cut_before_the_commit)
    assert len(runs) == 1
    database.close()
    killer.close()


def test_a_connection_lost_in_a_transaction_is_unavailable(postgres_url: str) -> None:
    database, killer = Database(postgres_url), Database(postgres_url)

    def cut(tx: Connection) -> None:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        killer.read(lambda other: other.execute(text(f"SELECT pg_terminate_backend({pid})")))
        tx.execute(text("SELECT 1"))

    with pytest.raises(Unavailable):
        database.write(cut)
    database.close()
    killer.close()


def test_sqlite_commits_survive_a_power_cut(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hearth.db'}")

    def pragmas(tx: Connection) -> list[Any]:
        wanted = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [tx.execute(text(f"PRAGMA {name}")).scalar_one() for name in wanted]

    full = 2
    assert database.read(pragmas) == ["wal", full, 1, 10_000]
    database.close()


def test_a_damaged_sqlite_file_is_unavailable(tmp_path: Any) -> None:
    (tmp_path / "hearth.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(Unavailable, match="not a SQLite file"):
        Database(f"sqlite:///{tmp_path / 'hearth.db'}").read(lambda tx: tx.execute(text("SELECT")))


def test_with_one_connection_a_read_inside_a_write_is_a_bug_said_plainly(
    database_url: str,
) -> None:
    db = Database(database_url, pool=1)
    if not db.is_sqlite:
        with pytest.raises(RuntimeError, match="read on the outer transaction"):
            db.write(lambda tx: db.read(lambda other: other.scalar(text("SELECT 1"))))
    assert db.read(lambda tx: tx.scalar(text("SELECT 1"))) == 1
    db.close()
