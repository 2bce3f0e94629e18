"""What the ledger of asynchronous work tells about errors and queues."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from hearth.db import UtcDateTime
from hearth.ledger.table import JobState, jobs_table

_t = jobs_table.c


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that nobody works on until a person asks for it."""

    kind: str
    queue: str
    code: str
    message: str
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """Work of one queue that could begin now and has not."""

    queue: str
    jobs: int
    oldest: datetime


def failed_jobs(
    tx: Connection, begins: datetime, ends: datetime, queue: str | None, limit: int
) -> list[FailedJob]:
    """Jobs that failed in a time and still are, the newest first.

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
    """Each queue with jobs that are due, and since when the oldest of them is."""
    oldest = func.min(_t.available_at, type_=UtcDateTime)
    query = (
        select(_t.queue, func.count(), oldest)
        .where(_t.state == JobState.QUEUED, _t.available_at <= now)
        .group_by(_t.queue)
    )
    return [Backlog(queue, number, since) for queue, number, since in tx.execute(query)]


def job_counts(tx: Connection) -> dict[str, int]:
    """State → number of jobs."""
    query = select(_t.state, func.count().label("number")).group_by(_t.state)
    return {row.state: row.number for row in tx.execute(query)}
