"""The ledger's table, and what its rows are in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    and_,
    delete,
    or_,
    select,
)

from hearth.db import JsonText, UtcDateTime, encode_json, insert_for
from hearth.errors import Conflict, HearthError, InvalidInput, TooLarge
from hearth.ids import new_ulid

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_DEDUPE_KEY_BYTES = 1100
"""An S3 key (1,024 bytes) and its prefix; PostgreSQL indexes up to 2,704."""
IN_LIST = 500
"""Values in one IN (…)."""

metadata = MetaData()

jobs_table = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("payload", JsonText, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("available_at", UtcDateTime, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("lease_token", Text),
    Column("resend_at", UtcDateTime),
    Column("resends", Integer, nullable=False),
    Column("progress", Float, nullable=False),
    Column("error", JsonText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index("uq_jobs_dedupe_key", "dedupe_key", unique=True),
    Index("ix_jobs_state_id", "state", "id"),
    Index("ix_jobs_kind_state_id", "kind", "state", "id"),
)
_t = jobs_table.c


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class LeaseLost(Conflict):
    """Someone else holds the job now: drop what was made, they make the same.

    Attributes:
        job_ids: The jobs that are no longer ours.
    """

    def __init__(self, job_ids: Iterable[str]) -> None:
        self.job_ids = frozenset(job_ids)
        super().__init__(f"the lease of job {', '.join(sorted(self.job_ids))} is no longer ours")


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to be done once per `dedupe_key`.

    Raises:
        InvalidInput: an empty name, a dedupe key over 1,100 bytes or with a NUL, payload not JSON.
        TooLarge: a payload over 64 kB: put the data in S3 and pass its key.
    """

    kind: str
    queue: str
    dedupe_key: str
    payload: Mapping[str, Any]
    available_at: datetime | None = None
    max_attempts: int = 5

    def __post_init__(self) -> None:
        if not self.kind or not self.queue or not self.dedupe_key:
            raise InvalidInput("a job needs a kind, a queue and a dedupe key")
        try:
            length = len(self.dedupe_key.encode())
        except UnicodeEncodeError as error:
            raise InvalidInput(f"dedupe key {self.dedupe_key!r:.200} is not Unicode") from error
        if length > MAX_DEDUPE_KEY_BYTES or "\x00" in self.dedupe_key:
            raise InvalidInput(
                f"dedupe key {self.dedupe_key!r:.200} has {length} bytes; at most "
                f"{MAX_DEDUPE_KEY_BYTES} and no NUL are allowed"
            )
        if self.max_attempts < 1:
            raise InvalidInput(f"max_attempts is {self.max_attempts}; at least 1 is needed")
        size = len(encode_json(dict(self.payload)))
        if size > MAX_PAYLOAD_BYTES:
            raise TooLarge(
                f"the payload of {self.dedupe_key!r:.200} has {size} bytes; at most "
                f"{MAX_PAYLOAD_BYTES} are kept in the ledger: put it in S3 and pass its key"
            )


@dataclass(frozen=True, slots=True)
class JobError:
    """Why the last attempt did not succeed; kept while the job waits for its next one."""

    code: str
    message: str
    details: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, error: HearthError) -> JobError:
        # Half a surrogate pair, quoted from what came in, could be stored but never shown.
        message = error.message[:2000].encode("utf-8", "backslashreplace").decode()
        return cls(error.code, message, error.details[:20])

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "details": list(self.details)}


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the ledger, as it was when it was read."""

    id: str
    kind: str
    queue: str
    dedupe_key: str
    payload: Mapping[str, Any]
    state: JobState
    attempts: int
    max_attempts: int
    available_at: datetime
    lease_until: datetime | None
    lease_token: str | None
    progress: float
    error: JobError | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


def job_from(row: Row[Any]) -> Job:
    """The job that a row of the table is."""
    error = row.error
    return Job(
        id=row.id,
        kind=row.kind,
        queue=row.queue,
        dedupe_key=row.dedupe_key,
        payload=row.payload,
        state=JobState(row.state),
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        available_at=row.available_at,
        lease_until=row.lease_until,
        lease_token=row.lease_token,
        progress=row.progress,
        error=JobError(error["code"], error["message"], tuple(error["details"])) if error else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        finished_at=row.finished_at,
    )


def insert_missing(
    tx: Connection, jobs: Sequence[NewJob], now: datetime, **values: Any
) -> list[Job]:
    """Insert a queued row for each of `jobs` whose dedupe key has none, and return those rows.

    Args:
        values: Columns that differ from those of a queued job.
    """
    if not jobs:
        return []
    insert = insert_for(tx.dialect.name)
    # One order for all: two transactions that add the same keys cannot wait for each other.
    rows = [_new_row(job, now) | values for job in sorted(jobs, key=lambda job: job.dedupe_key)]
    statement = insert(jobs_table).on_conflict_do_nothing(index_elements=["dedupe_key"])
    return [job_from(row) for row in tx.execute(statement.returning(jobs_table), rows)]


def rows_of(tx: Connection, jobs: Sequence[NewJob]) -> list[Job]:
    """The rows that have the dedupe keys of `jobs`, in no order."""
    keys = list(dict.fromkeys(job.dedupe_key for job in jobs))
    found: list[Job] = []
    for start in range(0, len(keys), IN_LIST):
        query = select(jobs_table).where(_t.dedupe_key.in_(keys[start : start + IN_LIST]))
        found += map(job_from, tx.execute(query))
    return found


def delete_queued(tx: Connection, dedupe_keys: Sequence[str]) -> None:
    """Delete the jobs that no worker has begun."""
    if dedupe_keys:
        tx.execute(
            delete(jobs_table).where(_t.dedupe_key.in_(dedupe_keys), _t.state == JobState.QUEUED)
        )


def delete_finished(tx: Connection, kind: str, before: datetime, limit: int) -> int:
    """Delete those of the `limit` oldest done jobs of a kind that finished before a time.

    Only the oldest are looked at: what was made early but finished late is waited for, rather
    than passed by on each call.
    """
    oldest = tx.execute(
        select(_t.id, _t.finished_at)
        .where(_t.kind == kind, _t.state == JobState.DONE)
        .order_by(_t.id)
        .limit(limit)
    ).all()
    ids = [row.id for row in oldest if row.finished_at < before]
    for start in range(0, len(ids), IN_LIST):
        tx.execute(delete(jobs_table).where(_t.id.in_(ids[start : start + IN_LIST])))
    return len(ids)


def claimable(now: datetime) -> ColumnElement[bool]:
    """Queued and due, or left behind by a dead worker; with attempts left."""
    # An expression and not the column: for ten keys SQLite would rather read the whole backlog by
    # the index on state than look each of them up.
    state = _t.state.concat("")
    return and_(
        _t.attempts < _t.max_attempts,
        or_(
            and_(state == JobState.QUEUED, _t.available_at <= now),
            and_(state == JobState.RUNNING, _t.lease_until <= now),
        ),
    )


def as_queued(at: datetime) -> dict[str, Any]:
    """The columns of a job that waits until `at`."""
    return {
        "state": JobState.QUEUED,
        "available_at": at,
        "resend_at": at,
        "resends": 0,
        "lease_until": None,
        "lease_token": None,
        "finished_at": None,
    }


def as_failed(now: datetime) -> dict[str, Any]:
    """The columns of a job that nobody works on until a person asks for it."""
    return {
        "state": JobState.FAILED,
        "resend_at": None,
        "lease_until": None,
        "lease_token": None,
        "finished_at": now,
    }


def _new_row(job: NewJob, now: datetime) -> dict[str, Any]:
    return {
        "id": new_ulid(),
        "kind": job.kind,
        "queue": job.queue,
        "dedupe_key": job.dedupe_key,
        "payload": dict(job.payload),
        "attempts": 0,
        "max_attempts": job.max_attempts,
        "progress": 0.0,
        "error": None,
        "created_at": now,
        "updated_at": now,
    } | as_queued(job.available_at or now)
