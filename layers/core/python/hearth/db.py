"""One database behind SQLAlchemy Core: SQLite at home, PostgreSQL or Aurora DSQL elsewhere.

The schema keeps to what all three share: text keys, JSON and times in TEXT, no sequences.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Table, Text, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.types import TypeDecorator

from hearth.errors import Conflict, HearthError, InvalidInput, Unavailable
from hearth.ids import format_time, parse_time

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.dialects import sqlite as sqlite_dialect

T = TypeVar("T")

BUSY_TIMEOUT_S = 10
_WRITE_ATTEMPTS = 8
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
_WRITE = "hearth_write"
_DSQL_HOST = re.compile(r"[a-z0-9-]+\.dsql\.(?P<region>[a-z0-9-]+)\.on\.aws")


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware time as RFC 3339 text of fixed width, UTC, microseconds.

    Text and not the engine's own type: SQLite has none, and so both compare and round alike.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        return None if value is None else format_time(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else parse_time(value)


class JsonText(TypeDecorator[Any]):
    """A JSON value as text with sorted keys; None is SQL NULL. NaN and infinity are refused."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else encode_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def encode_json(value: Any) -> str:
    """Compact, sorted, ASCII: the same value always gives the same text.

    Raises:
        InvalidInput: not JSON (an object of Python's own, NaN, infinity, a cycle).
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"the value is not JSON: {str(error)[:200]}") from error


def insert_for(dialect: str) -> Callable[[Table], sqlite_dialect.Insert | postgresql.Insert]:
    """The INSERT of a dialect (`tx.dialect.name`), which knows ON CONFLICT."""
    # Only the dialect in use is imported: the other costs 20 ms of a cold start.
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite as sqlite_dialect

        return sqlite_dialect.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


class Database:
    """The database at one URL; safe to share between threads.

    Args:
        url: `sqlite:////absolute/path`, `postgresql://user:password@host:port/name`, or
            `postgresql://user@<cluster>.dsql.<region>.on.aws/postgres` for Aurora DSQL, whose
            password is a token made for each connection.
        pool: Connections to a server at most; a thread that needs another one waits. With one,
            a read inside a write is an error, because it would wait for its own write.

    Attributes:
        file: Where SQLite keeps it; None for a server.
        is_dsql: Whether it is Aurora DSQL: PostgreSQL's language, less some of it.

    Raises:
        InvalidInput: any other URL.
    """

    def __init__(self, url: str, pool: int = 20) -> None:
        target = engine_url(url)
        self.is_sqlite = target.get_backend_name() == "sqlite"
        self.file = Path(target.database) if self.is_sqlite and target.database else None
        self.is_dsql = _dsql_region(url) is not None
        self.engine: Engine = (
            _sqlite_engine(target) if self.is_sqlite else _postgres_engine(target, pool)
        )
        self._one_connection = not self.is_sqlite and pool == 1
        if region := _dsql_region(url):
            _sign_in_by_token(self.engine, region)
        self.writer = self.engine.execution_options(**{_WRITE: True})
        self._write_lock = threading.Lock()
        self._this_thread = threading.local()

    def write(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` in one transaction and commit; any exception rolls it back.

        `fn` runs again after a serialization failure, a deadlock or a busy database, and once after
        a connection that was lost before the commit, so it must have no effect outside its
        transaction.

        Raises:
            Conflict: a constraint was broken.
            Unavailable: the database does not answer, or stayed busy.
        """
        for attempt in range(1, _WRITE_ATTEMPTS + 1):
            committing = False
            try:
                with self._turn_to_write(), self.writer.begin() as tx:
                    result = fn(tx)
                    committing = True
            except DBAPIError as error:
                # A commit that was not answered may have happened: repeating it could do it twice.
                if error.connection_invalidated and not committing and attempt == 1:
                    continue
                if attempt == _WRITE_ATTEMPTS or not _is_worth_repeating(error):
                    raise _translated(error) from error
            except (StatementError, PoolTimeoutError) as error:
                raise _translated(error) from error
            else:
                return result
            ceiling = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)
            time.sleep(random.uniform(0, ceiling))  # noqa: S311  # jitter
        raise AssertionError("unreachable")

    def read(self, fn: Callable[[Connection], T]) -> T:
        """Run `fn` on a connection whose changes are dropped; once more on a new one if it is lost.

        Raises:
            Unavailable: the database does not answer.
        """
        if self._one_connection and getattr(self._this_thread, "writing", False):
            raise RuntimeError("a read inside a write: read on the outer transaction instead")
        for attempt in (1, 2):
            try:
                with self.engine.connect() as connection:
                    return fn(connection)
            except (StatementError, PoolTimeoutError) as error:
                if attempt == 1 and isinstance(error, DBAPIError) and error.connection_invalidated:
                    continue
                raise _translated(error) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Give every connection back; the object can be used again after."""
        self.engine.dispose()

    @contextmanager
    def _turn_to_write(self) -> Iterator[None]:
        # SQLite has one writer; queueing threads here is fairer than its polling busy handler.
        if getattr(self._this_thread, "writing", False):
            raise RuntimeError("a write inside a write: pass the outer transaction on instead")
        self._this_thread.writing = True
        try:
            if self.is_sqlite:
                with self._write_lock:
                    yield
            else:
                yield
        finally:
            self._this_thread.writing = False


def engine_url(url: str) -> URL:
    """`url` with the driver that we use.

    Raises:
        InvalidInput: not a URL, or not one of the two engines.
    """
    try:
        target = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InvalidInput(
            "DATABASE_URL is not a URL; use sqlite:////absolute/path or postgresql://…"
        ) from error
    if "@" in (target.host or ""):
        # The end of the password would be looked up as part of the host, and named in the log.
        raise InvalidInput("DATABASE_URL holds more than one @; write that of a password as %40")
    match target.get_backend_name():
        case "sqlite":
            if target.database in (None, "", ":memory:") or target.host:
                raise InvalidInput("DATABASE_URL names no file; use sqlite:////absolute/path")
            return target.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres":
            return target.difference_update_query(["region"]).set(drivername="postgresql+psycopg")
        case other:
            raise InvalidInput(f"DATABASE_URL names {other!r}; use sqlite or postgresql")


def _dsql_region(url: str) -> str | None:
    """The region of an Aurora DSQL cluster; None where the server is none.

    `postgresql+dsql://…?region=…` says it of any other host name, such as a private endpoint's.
    """
    target = make_url(url)
    if target.drivername == "postgresql+dsql":
        region = target.query.get("region")
        if not isinstance(region, str):
            raise InvalidInput("DATABASE_URL names dsql but no region; add ?region=eu-central-1")
        return region
    named = _DSQL_HOST.fullmatch(target.host or "")
    return named["region"] if named and target.get_backend_name() == "postgresql" else None


def _sign_in_by_token(engine: Engine, region: str) -> None:
    @event.listens_for(engine, "do_connect")
    def _add_token(_d: Dialect, _r: object, _a: object, parameters: dict[str, Any]) -> None:
        # Imported when a connection is opened: nobody else needs it.
        from hearth.aws import dsql_token, root_certificates

        user = parameters.get("user", "admin")
        parameters["password"] = dsql_token(parameters["host"], region, user)
        if "sslmode" not in parameters:
            parameters |= {"sslmode": "verify-full", "sslrootcert": root_certificates()}


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        # One connection serves a Lambda; the others are for threads and reads during a write.
        pool_size=1,
        max_overflow=7,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        # sqlite3 must not begin transactions by itself: its BEGIN is deferred, and a deferred
        # transaction that turns into a write fails at once when another one wrote meanwhile.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: a commit that was reported survives a power cut (NORMAL may lose the last ones).
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: URL, pool: int) -> Engine:
    # Without pool_pre_ping, which costs each transaction a round trip: one that finds its
    # connection closed is begun again on a new one (`Database.read`, `Database.write`).
    return create_engine(
        url,
        connect_args={"connect_timeout": BUSY_TIMEOUT_S},
        pool_size=pool,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_S,
        pool_recycle=1800,  # Aurora DSQL ends a connection after an hour
        use_native_hstore=False,  # it would be looked for at each connection
    )


def _is_worth_repeating(error: DBAPIError) -> bool:
    return _is_sqlite_busy(error.orig) or _sqlstate(error) in {"40001", "40P01"}


def _is_sqlite_busy(cause: BaseException | None) -> bool:
    if not isinstance(cause, sqlite3.Error):
        return False
    # The low byte is the primary code: SQLITE_BUSY_SNAPSHOT and its kin are SQLITE_BUSY.
    primary = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
    return primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state


_SQLITE_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "is busy",
    sqlite3.SQLITE_LOCKED: "is busy",
    sqlite3.SQLITE_FULL: "has no space left",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_PERM: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is not a SQLite file",
}

# First two characters of an SQLSTATE: https://www.postgresql.org/docs/15/errcodes-appendix.html
_POSTGRES_UNAVAILABLE = {
    "08": "lost the connection",
    "25": "is read-only or mid-transaction",
    "28": "refused the log-in",
    "3D": "does not exist",
    "40": "stayed busy",
    "53": "has no resources left",
    "55": "has the object in use",
    "57": "is shutting down",
    "58": "has a system error",
    "XX": "has an internal error",
}


def _translated(error: StatementError | PoolTimeoutError) -> Exception:
    """Ours for what the database's state explains; a wrong statement stays what it is, a bug."""
    if isinstance(error, PoolTimeoutError):
        return Unavailable("every database connection is in use")
    cause = error.orig
    if isinstance(cause, HearthError):  # a column type of ours refused the value
        return cause
    if isinstance(cause, sqlite3.Error):
        return _translated_sqlite(cause) or error
    if isinstance(error, DBAPIError):
        return _translated_postgres(error) or error
    return error


def _translated_sqlite(cause: sqlite3.Error) -> HearthError | None:
    primary = (getattr(cause, "sqlite_errorcode", None) or 0) & 0xFF
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return Conflict("the row exists already, or breaks a constraint")
    if primary in _SQLITE_UNAVAILABLE:
        return Unavailable(f"the database {_SQLITE_UNAVAILABLE[primary]}")
    return None


def _translated_postgres(error: DBAPIError) -> HearthError | None:
    state = _sqlstate(error)
    if isinstance(error, DataError):  # a NUL in a text, a number out of range
        return InvalidInput("the database cannot hold one of the values")
    if state is None:
        # There is no SQLSTATE when there was no server to give one.
        lost = error.connection_invalidated or isinstance(error, OperationalError)
        return Unavailable("the database does not answer") if lost else None
    if state.startswith("23"):
        return Conflict("the row exists already, or breaks a constraint")
    if state[:2] in _POSTGRES_UNAVAILABLE:
        return Unavailable(f"the database {_POSTGRES_UNAVAILABLE[state[:2]]}")
    return None
