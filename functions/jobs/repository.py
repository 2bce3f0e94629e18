"""Counts jobs in the ledger's table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from hearth.db import Database, UtcDateTime
from hearth.ledger.table import JobState, jobs_table

_t = jobs_table.c


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs of one kind are in one state, and when the oldest of them was created."""

    kind: str
    state: JobState
    number: int
    oldest: datetime


class JobCounts:
    """Counts jobs by kind and state."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def count(self, dedupe_prefix: str | None = None) -> list[Count]:
        """Count all jobs, or those whose dedupe key begins with `dedupe_prefix`.

        Raises:
            Unavailable: The database does not answer.
        """
        query = (
            select(
                _t.kind,
                _t.state,
                func.count(),
                func.min(_t.created_at, type_=UtcDateTime),
            )
            .group_by(_t.kind, _t.state)
            .order_by(_t.kind, _t.state)
        )
        if dedupe_prefix:
            # Not LIKE: "_" and "%" in a key would be wildcards, "\\" means something on PostgreSQL
            # alone, and SQLite ignores case. Both count substr in characters, as len does.
            beginning = func.substr(_t.dedupe_key, 1, len(dedupe_prefix))
            query = query.where(beginning == dedupe_prefix)
        rows = self._db.read(lambda tx: tx.execute(query).all())
        return [Count(kind, JobState(state), n, oldest) for kind, state, n, oldest in rows]
