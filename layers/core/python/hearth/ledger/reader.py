"""What can be asked of the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Select, func, select

from hearth.db import Database
from hearth.errors import NotFound
from hearth.ledger.table import IN_LIST, Job, JobState, job_from, jobs_table
from hearth.paging import check_limit, decode_cursor, encode_cursor

_t = jobs_table.c


class Page(NamedTuple):
    """Some jobs, newest first, and where the next page begins (None: this was the last)."""

    jobs: list[Job]
    next_cursor: str | None


class JobReader:
    """The jobs of one database, to look at.

    Args:
        db: Where the table is.
    """

    def __init__(self, db: Database) -> None:
        self.db = db

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFound: no such job.
        """
        query = select(jobs_table).where(_t.id == job_id)
        row = self.db.read(lambda tx: tx.execute(query).one_or_none())
        if row is None:
            raise NotFound(f"job {job_id[:80]!r} does not exist")
        return job_from(row)

    def list(
        self,
        state: JobState | None = None,
        kind: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page:
        """Jobs, newest first.

        Raises:
            InvalidInput: `limit` outside 1..100, or a cursor that this list did not give out.
        """
        query = select(jobs_table).order_by(_t.id.desc()).limit(check_limit(limit) + 1)
        if state is not None:
            query = query.where(_t.state == state)
        if kind is not None:
            query = query.where(_t.kind == kind)
        if cursor is not None:
            query = query.where(_t.id < decode_cursor(cursor, 1)[0])
        found = [job_from(row) for row in self.db.read(lambda tx: tx.execute(query).all())]
        shown = found[:limit]
        more = len(found) > limit
        return Page(shown, encode_cursor(shown[-1].id) if more else None)

    def summary(self) -> dict[str, dict[str, int]]:
        """How many jobs of each kind are in each state; zeros are left out."""
        query = (
            select(_t.kind, _t.state, func.count().label("n"))
            .group_by(_t.kind, _t.state)
            .order_by(_t.kind, _t.state)
        )
        counts: dict[str, dict[str, int]] = {}
        for kind, state, number in self.db.read(lambda tx: tx.execute(query).all()):
            counts.setdefault(kind, {})[state] = number
        return counts

    def has_done_before(self, kinds: Iterable[str], before: datetime) -> bool:
        """Whether the oldest done job of one of `kinds` finished before a time."""

        def look(tx: Connection) -> bool:
            return any(
                finished is not None and finished < before
                for finished in (tx.execute(_oldest_done(kind)).scalar() for kind in kinds)
            )

        return self.db.read(look)

    def states(self, dedupe_keys: Iterable[str]) -> dict[str, JobState]:
        """The state of each dedupe key that has a row."""
        keys = list(dict.fromkeys(dedupe_keys))

        def look(tx: Connection) -> dict[str, JobState]:
            states: dict[str, JobState] = {}
            for start in range(0, len(keys), IN_LIST):
                query = select(_t.dedupe_key, _t.state).where(
                    _t.dedupe_key.in_(keys[start : start + IN_LIST])
                )
                states.update((key, JobState(state)) for key, state in tx.execute(query))
            return states

        return self.db.read(look) if keys else {}


def _oldest_done(kind: str) -> Select[datetime | None]:
    done = (_t.kind == kind) & (_t.state == JobState.DONE)
    return select(_t.finished_at).where(done).order_by(_t.id).limit(1)
