"""A copy of the database as it was at one instant, while others write to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from .archive import PGDUMP, SQLITE
from .errors import BackupError
from .new_file import LEAST_FREE, disk_full

_BUSY_S = 30.0
_REVISION = "SELECT version_num FROM alembic_version"
_REMEDY = "Restore an earlier backup, or repair it with `sqlite3 FILE .recover`."


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database in a file that has no name, at its beginning; `size` in bytes."""

    kind: Literal["sqlite", "postgresql"]
    name: str
    file: IO[bytes]
    size: int
    revision: str | None


def is_postgresql(url: str) -> bool:
    """Whether a SQLAlchemy URL names PostgreSQL."""
    return url.partition(":")[0].partition("+")[0] in ("postgresql", "postgres")


@contextlib.contextmanager
def sqlite_snapshot(database: Path, scratch: Path) -> Iterator[Snapshot]:
    """A snapshot of an SQLite database, by its online backup: writers go on meanwhile.

    Args:
        database: Its file; a write-ahead log beside it is part of it.
        scratch: A folder with room for a second one.

    Raises:
        BackupError: It cannot be read, is damaged, or there is no room.
    """
    if shutil.disk_usage(scratch).free - database.stat().st_size < LEAST_FREE:
        raise disk_full(scratch)
    with contextlib.ExitStack() as closing:
        handle, name = tempfile.mkstemp(dir=scratch, prefix=".hearth-snapshot-")
        file = closing.enter_context(os.fdopen(handle, "r+b"))
        try:
            copy = closing.enter_context(contextlib.closing(sqlite3.connect(name)))
            copy.execute("PRAGMA journal_mode = OFF").fetchone()
            copy.execute("PRAGMA schema_version").fetchone()  # opens the file
        finally:
            Path(name).unlink()  # so that nothing is left of it when this process is killed
        try:
            # A log that a killed stack left is replayed, for which reading alone is not enough.
            source = sqlite3.connect(
                f"{database.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None
            )
            with contextlib.closing(source):
                source.execute(f"PRAGMA busy_timeout = {_BUSY_S * 1000:.0f}")
                source.execute("BEGIN")  # one instant for all that follows
                revision = _revision(source)
                [found] = source.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise BackupError(f"The database {database} is damaged: {found}.", _REMEDY)
                source.backup(copy)
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code == sqlite3.SQLITE_FULL:
                raise disk_full(scratch) from None
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise BackupError(
                    f"The database {database} is damaged: {error}.", _REMEDY
                ) from None
            raise BackupError(
                f"The database {database} cannot be read: {error}.", "See `hearth doctor`."
            ) from None
        yield Snapshot("sqlite", SQLITE, file, file.seek(0, os.SEEK_END), revision)


def _revision(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute(_REVISION).fetchone()
    except sqlite3.OperationalError:  # there is no such table: nothing was set up yet
        return None
    return None if row is None else str(row[0])


@contextlib.contextmanager
def postgresql_snapshot(url: str, scratch: Path) -> Iterator[Snapshot]:
    """A snapshot of a PostgreSQL database, by pg_dump.

    Raises:
        BackupError: pg_dump is not installed, or it failed.
    """
    revision = _run(
        "psql", url, ["--no-psqlrc", "--tuples-only", "--no-align", "--command", _REVISION]
    )
    with tempfile.TemporaryFile(dir=scratch) as file:
        _run("pg_dump", url, ["--format=custom", "--no-owner", "--no-privileges"], stdout=file)
        size = file.seek(0, os.SEEK_END)
        yield Snapshot("postgresql", PGDUMP, file, size, revision.decode().strip() or None)


def restore_postgresql(url: str, dump: Path) -> None:
    """Bring a dump into an empty database: all of it, or nothing.

    Raises:
        BackupError: pg_restore is not installed, or it failed.
    """
    arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    with dump.open("rb") as file:
        _run("pg_restore", url, arguments, stdin=file)


def _run(
    program: str,
    url: str,
    arguments: list[str],
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.PIPE,
) -> bytes:
    found = shutil.which(program)
    if found is None:
        raise BackupError(
            f"The database is PostgreSQL, and {program} is not on this machine.",
            "Install PostgreSQL's client programs (postgresql-client), of the server's version or"
            " newer.",
        )
    name, environment = _without_password(url)
    done = subprocess.run(  # noqa: S603 - a program of this machine, a list, no shell
        [found, *arguments, f"--dbname={name}"],
        env={**os.environ, **environment},
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it printed nothing"]
        remedy = (
            "Name a database that is empty." if program == "pg_restore" else "Check --database-url."
        )
        raise BackupError(f"{program} failed: {lines[0][:300].rstrip('.')}.", remedy)
    return done.stdout or b""


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """libpq's form of a SQLAlchemy URL; the password goes by the environment, because everybody
    on the machine may read a command line."""
    parts = urllib.parse.urlsplit(url)
    netloc, environment = parts.netloc, {}
    if parts.password is not None:
        user, _, place = netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}@{place}"
        environment["PGPASSWORD"] = urllib.parse.unquote(parts.password)
    return parts._replace(scheme="postgresql", netloc=netloc).geturl(), environment
