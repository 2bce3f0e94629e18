"""The table of failed attempts, counted before they are made, so that concurrent ones count."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select, update

from functions.auth.repository.tables import attempts
from hearth.db import insert_for

NO_WAIT = datetime(1970, 1, 1, tzinfo=UTC)
"""`retry_at` without a pause: not the present, because another machine's clock may be behind."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The counter of one subject; no attempt is allowed before `retry_at`."""

    subject: str
    failures: int
    retry_at: datetime
    expires_at: datetime


def lock_attempts(tx: Connection, subject: str, now: datetime) -> Attempts:
    """Lock the subject's row for this transaction; a new counter where there is none.

    Others who ask for the same row wait (PostgreSQL), or run again (Aurora DSQL).
    """
    fresh = {"subject": subject, "failures": 0, "retry_at": NO_WAIT, "expires_at": now}
    row = tx.execute(
        insert_for(tx.dialect.name)(attempts)
        .on_conflict_do_update(index_elements=["subject"], set_={"failures": attempts.c.failures})
        .returning(attempts),
        fresh,
    ).one()
    return Attempts(**row._mapping)


def save_attempts(tx: Connection, row: Attempts) -> None:
    tx.execute(
        update(attempts)
        .where(attempts.c.subject == row.subject)
        .values(failures=row.failures, retry_at=row.retry_at, expires_at=row.expires_at)
    )


def unexpired_subjects(tx: Connection, subjects: Collection[str], now: datetime) -> set[str]:
    """Return those of `subjects` whose counter has not expired."""
    query = select(attempts.c.subject).where(
        attempts.c.subject.in_(subjects), attempts.c.expires_at > now
    )
    return set(tx.execute(query).scalars())


def delete_attempts(tx: Connection, subject: str) -> None:
    tx.execute(delete(attempts).where(attempts.c.subject == subject))
