"""The database schema: one linear history of Alembic revisions, "0001", "0002", …

Each revision is written by hand, with one DDL statement per operation and within the subset that
SQLite, PostgreSQL and Aurora DSQL share: text keys, no foreign keys, no sequences. `dsql.py` says
how it is applied where a transaction holds one statement only.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from hearth.db import Database
from hearth.errors import HearthError, Unavailable

_ATTEMPTS = 20
_PAUSE_S = 0.25


def upgrade(url: str, revision: str = "head") -> str:
    """Bring the database at `url` to `revision`; returns the revision it has then.

    Safe to run twice, and in two processes at once: each revision is one transaction (on Aurora
    DSQL each statement, and all can be repeated), and the one that comes second finds it done.

    Raises:
        InvalidInput: not a URL that Hearth knows.
        Unavailable: the database does not answer.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    database = Database(url)
    config.attributes["database"] = database
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            before = _current(database)
            try:
                command.upgrade(config, revision)
            except (DBAPIError, HearthError, CommandError):
                # Another process may have been faster: look again. A true fault stays one.
                if attempt == _ATTEMPTS or (attempt > 3 and _current(database) == before):
                    raise
                time.sleep(_PAUSE_S * random.random())  # noqa: S311  # jitter
            else:
                reached = _current(database)
                if reached is None:
                    raise Unavailable("the migration left the database without a revision")
                return reached
        raise AssertionError("unreachable")
    finally:
        database.close()


def current(url: str) -> str | None:
    """The revision that the database at `url` has; None before the first one."""
    database = Database(url)
    try:
        return _current(database)
    finally:
        database.close()


def head() -> str:
    """The newest revision that this code knows."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory(str(Path(__file__).parent)).get_current_head()
    if revision is None:
        raise AssertionError("there are no revisions")
    return revision


def _current(database: Database) -> str | None:
    from alembic.runtime.migration import MigrationContext

    return database.read(lambda tx: MigrationContext.configure(tx).get_current_revision())
