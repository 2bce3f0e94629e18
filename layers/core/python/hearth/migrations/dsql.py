"""Revisions on Aurora DSQL, which takes one statement of DDL in a transaction and none beside data.

So there every statement commits by itself, and a revision that was cut off is run again from its
beginning: each statement is written so that it does nothing where it was done before. Indexes are
built while others write (`CREATE INDEX ASYNC`, the only way there); the schema counts as reached
when all can be used. What DSQL takes: docs.aws.amazon.com/aurora-dsql/latest/userguide/
working-with-postgresql-compatibility-supported-sql-subsets.html
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Connection, Engine, event, text

from hearth.errors import Unavailable

BUILD_LIMIT_S: Final = 240.0
"""The migrate function has 900 s, some of it for data."""
_PAUSE_S = 0.5
_REPEATABLE = (
    (re.compile(r"\s*CREATE TABLE (?!IF )"), "CREATE TABLE IF NOT EXISTS "),
    (
        re.compile(r"\s*CREATE (UNIQUE )?INDEX (?!ASYNC )(?:IF NOT EXISTS )?"),
        r"CREATE \1INDEX ASYNC IF NOT EXISTS ",
    ),
    (re.compile(r"\s*DROP (TABLE|INDEX) (?!IF )"), r"DROP \1 IF EXISTS "),
    (
        re.compile(r"\s*ALTER TABLE (\S+) ADD COLUMN (?!IF )"),
        r"ALTER TABLE \1 ADD COLUMN IF NOT EXISTS ",
    ),
    (
        re.compile(r"\s*ALTER TABLE (\S+) DROP COLUMN (?!IF )"),
        r"ALTER TABLE \1 DROP COLUMN IF EXISTS ",
    ),
)
_UNUSABLE = text(
    "SELECT c.relname FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " WHERE NOT i.indisvalid ORDER BY c.relname"
)


def repeatable(statement: str) -> str:
    """`statement` as DSQL takes it, and so that a repeat does nothing; data's as they are."""
    for pattern, replacement in _REPEATABLE:
        changed, number = pattern.subn(replacement, statement, count=1)
        if number and pattern.match(statement):
            return changed
    return statement


def one_by_one(engine: Engine) -> Engine:
    """`engine`, where each statement is its own transaction and can be repeated."""
    alone = engine.execution_options(isolation_level="AUTOCOMMIT")

    @event.listens_for(alone, "before_cursor_execute", retval=True)
    def rewrite(
        _c: Connection, _k: object, statement: str, parameters: Any, *_: object
    ) -> tuple[str, Any]:
        return repeatable(statement), parameters

    return alone


def wait_for_indexes(connection: Connection, clock: Callable[[], float] = time.monotonic) -> None:
    """Return when every index can be used.

    Raises:
        Unavailable: One is not built yet; asking for the revision again goes on waiting.
    """
    until = clock() + BUILD_LIMIT_S
    while waiting := list(connection.execute(_UNUSABLE).scalars()):
        if clock() >= until:
            raise Unavailable(f"these indexes are still being built: {', '.join(waiting)}")
        time.sleep(_PAUSE_S)
