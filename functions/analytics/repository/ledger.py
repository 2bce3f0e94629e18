"""Reads errors and backlogs from the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from hearth.db import UtcDateTime
from hearth.ledger.table import JobState, jobs_table

_t = jobs_table.c


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that has failed."""

    kind: str
    queue: str
    code: str
    message: str
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """The due jobs of one queue."""

    queue: str
    jobs: int
    oldest: datetime


def failed_jobs(
    tx: Connection, begins: datetime, ends: datetime, queue: str | None, limit: int
) -> list[FailedJob]:
    """List jobs that failed in a time range and have not been retried, the newest first.

    One that a person retried is no error any more, and none that is reported here.
    """
    query = (
        select(_t.kind, _t.queue, _t.error, _t.finished_at)
        .where(_t.state == JobState.FAILED, _t.finished_at >= begins, _t.finished_at < ends)
        .order_by(_t.id.desc())
        .limit(limit)
    )
    if queue is not None:
        query = query.where(_t.queue == queue)
    return [
        FailedJob(row.kind, row.queue, row.error["code"], row.error["message"], row.finished_at)
        for row in tx.execute(query)
    ]


def backlogs(tx: Connection, now: datetime) -> list[Backlog]:
    """Return each queue with due jobs, and since when the oldest one is due."""
    oldest = func.min(_t.available_at, type_=UtcDateTime)
    query = (
        select(_t.queue, func.count(), oldest)
        .where(_t.state == JobState.QUEUED, _t.available_at <= now)
        .group_by(_t.queue)
    )
    return [Backlog(queue, number, since) for queue, number, since in tx.execute(query)]


def job_counts(tx: Connection) -> dict[str, int]:
    """Return the number of jobs in each state."""
    query = select(_t.state, func.count().label("number")).group_by(_t.state)
    return {row.state: row.number for row in tx.execute(query)}
