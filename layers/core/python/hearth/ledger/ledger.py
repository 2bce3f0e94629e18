"""The ledger: one row for every piece of asynchronous work.

    queued ──claim──▶ running ──complete──▶ done
      ▲                 │ │
      └─ fail (retry) ──┘ └── fail (no retry helps, or attempts used up) ──▶ failed
      └─ postpone ──────┘                                                      │
      └───────────────────────── retry, by a person ───────────────────────────┘

A claim takes a lease. Who completes must still hold it, in the transaction that writes the
outputs; so a second worker, woken by a repeated message or after a crash, changes nothing.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Row, and_, case, or_, select, update

from hearth.db import Database, encode_json
from hearth.errors import Conflict, HearthError, Unavailable
from hearth.ids import CLOCK_TOLERANCE, new_ulid, utc_now
from hearth.ledger.queues import MAX_DELAY_S, Queues
from hearth.ledger.reader import JobReader, Page
from hearth.ledger.table import (
    IN_LIST,
    Job,
    JobError,
    JobState,
    LeaseLost,
    NewJob,
    as_failed,
    as_queued,
    claimable,
    delete_finished,
    insert_missing,
    job_from,
    jobs_table,
    metadata,
    rows_of,
)
from hearth.ledger.unit_of_work import SYSTEM, UnitOfWork
from hearth.logging import logger

if TYPE_CHECKING:
    from hearth.ledger.events import Publisher

__all__ = [
    "WORKER_DIED",
    "Job",
    "JobError",
    "JobState",
    "LeaseLost",
    "Ledger",
    "NewJob",
    "Page",
    "UnitOfWork",
    "full_jitter",
    "jobs_table",
    "metadata",
]

RETRY_BASE = timedelta(seconds=2)
RETRY_CAP = timedelta(minutes=5)
RESEND_BASE = timedelta(seconds=30)
RESEND_CAP = timedelta(minutes=15)
MAX_LEASE = timedelta(minutes=16)
"""Longer than any lease: Lambda ends an invocation after 15 minutes."""
WORKER_DIED = "WORKER_DIED"
"""Error code of a job whose lease ran out: its worker crashed or was killed."""
T = TypeVar("T")
_t = jobs_table.c


def full_jitter(ceiling: timedelta) -> timedelta:
    """Between nothing and `ceiling`, evenly: retries of many jobs spread out.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return ceiling * random.random()  # noqa: S311


class Ledger(JobReader):
    """The jobs of one database.

    Args:
        db: Where the table is.
        queues: Where hints are sent.
        now: The present, timezone-aware.
        jitter: Turns the longest back-off of this attempt into the one that is used.
        publisher: Turns emitted events into jobs; None for a function that publishes none.
    """

    def __init__(
        self,
        db: Database,
        queues: Queues,
        now: Callable[[], datetime] = utc_now,
        jitter: Callable[[timedelta], timedelta] = full_jitter,
        publisher: Publisher | None = None,
    ) -> None:
        super().__init__(db)
        self._queues = queues
        self.now = now
        self.publisher = publisher
        self._jitter = jitter

    # ---- producers ----

    def transact(self, fn: Callable[[UnitOfWork], T], actor: str = SYSTEM) -> T:
        """Run `fn` in one transaction and commit; then announce the jobs that it made.

        `fn` runs again, with a fresh outbox, after a serialization failure or a busy database, so
        it must have no effect outside its transaction.

        Raises:
            Conflict: a constraint was broken.
            Unavailable: the database does not answer, or stayed busy.
        """

        def attempt(tx: Connection) -> tuple[T, list[Job]]:
            work = UnitOfWork(self, tx, actor)
            return fn(work), work.flush()

        result, jobs = self.db.write(attempt)
        self.announce(job for job in jobs if job.state is JobState.QUEUED)
        return result

    def add(self, tx: Connection, jobs: Sequence[NewJob]) -> list[Job]:
        """Insert `jobs` in the caller's transaction; one row per argument, in its order.

        A dedupe key that exists already gives the existing row, untouched.
        Call `announce` with the answer after the commit.
        """
        if not jobs:
            return []
        found = {job.dedupe_key: job for job in insert_missing(tx, jobs, self.now())}
        existing = [job for job in jobs if job.dedupe_key not in found]
        found |= {job.dedupe_key: job for job in rows_of(tx, existing)}
        try:
            return [found[job.dedupe_key] for job in jobs]
        except KeyError as error:
            # Under snapshot isolation the row of a concurrent insert exists but is not visible.
            raise Unavailable("another transaction is adding the same job") from error

    def hasten(self, tx: Connection, dedupe_keys: Sequence[str], at: datetime) -> None:
        """Let queued jobs that wait for a later time start at `at`; others are left alone.

        `add` the same jobs afterwards in the same transaction: it returns the rows as they are
        now, for `announce`.
        """
        if not dedupe_keys:
            return
        tx.execute(
            update(jobs_table)
            .where(
                _t.dedupe_key.in_(dedupe_keys),
                _t.state == JobState.QUEUED,
                _t.available_at > at,
            )
            .values(available_at=at, resend_at=at, resends=0, updated_at=self.now())
        )

    def announce(self, jobs: Iterable[Job]) -> None:
        """Send a hint for each queued job that starts within 15 minutes.

        A failure to send is logged and never raised: the sweep sends what is due.
        """
        now = self.now()
        groups: dict[tuple[str, int], dict[str, Job]] = defaultdict(dict)
        for job in jobs:
            # Rounded up: a hint that comes early finds nothing to do.
            delay = max(0, -(-(job.available_at - now) // timedelta(seconds=1)))
            if job.state in (JobState.QUEUED, JobState.RUNNING) and delay <= MAX_DELAY_S:
                groups[job.queue, delay][job.id] = job
        for (queue, delay), members in groups.items():
            bodies = [{"job_id": job.id, "kind": job.kind} for job in members.values()]
            try:
                self._queues.send(queue, bodies, delay)
            except HearthError as error:
                logger.warning("hints not sent; the sweep will", queue=queue, reason=error.message)

    # ---- consumers ----

    def claim(self, ids: Sequence[str], new: Sequence[NewJob], lease: timedelta) -> list[Job]:
        """Lease what can be worked on now, in one transaction; oldest first.

        Adds those of `new` that are missing, then takes every job of `ids` and `new` that is
        queued and due, or whose worker let its lease run out. Each counts one attempt. What is
        done, failed, not due or leased elsewhere is left out.
        """
        if not ids and not new:
            return []
        token = new_ulid()

        def lease_them(tx: Connection) -> Sequence[Row[Any]]:
            now = self.now()
            insert_missing(tx, new, now)
            rows: list[Row[Any]] = []
            for chunk_ids, chunk_keys in _chunked(ids, [job.dedupe_key for job in new]):
                named = [
                    column.in_(values)
                    for column, values in ((_t.id, chunk_ids), (_t.dedupe_key, chunk_keys))
                    if values
                ]
                died = {"code": WORKER_DIED, "message": "the worker died", "details": []}
                rows += tx.execute(
                    update(jobs_table)
                    .where(or_(*named), claimable(now))
                    .values(
                        state=JobState.RUNNING,
                        lease_token=token,
                        lease_until=now + lease,
                        attempts=_t.attempts + 1,
                        resend_at=now + lease,
                        resends=0,
                        error=case(
                            (_t.state == JobState.RUNNING, encode_json(died)), else_=_t.error
                        ),
                        updated_at=now,
                    )
                    .returning(jobs_table)
                ).all()
            return rows

        return sorted(map(job_from, self.db.write(lease_them)), key=lambda job: job.id)

    def complete(self, tx: Connection, job: Job) -> None:
        """Mark `job` done, in the transaction that writes its outputs.

        Raises:
            LeaseLost: the lease is no longer ours; the transaction must not commit.
        """
        self.complete_all(tx, [job])

    def complete_all(self, tx: Connection, jobs: Sequence[Job]) -> None:
        """Mark several jobs done at once.

        Raises:
            LeaseLost: names the jobs that are no longer ours; the transaction must not commit.
        """
        now = self.now()
        kept: set[str] = set()
        for token, ids in _by_token(jobs).items():
            kept.update(
                tx.execute(
                    update(jobs_table)
                    .where(_t.id.in_(ids), _t.lease_token == token, _t.state == JobState.RUNNING)
                    .values(
                        state=JobState.DONE,
                        progress=1.0,
                        error=None,
                        lease_until=None,
                        lease_token=None,
                        resend_at=None,
                        updated_at=now,
                        finished_at=now,
                    )
                    .returning(_t.id)
                ).scalars()
            )
        lost = {job.id for job in jobs} - kept
        if lost:
            raise LeaseLost(lost)

    def fail(self, job: Job, error: HearthError) -> Job:
        """Record that an attempt failed.

        When a retry helps and attempts are left, the job is queued again after an exponential
        back-off with full jitter (2 s, 4 s, … 5 min); otherwise it is failed, for a person to see.
        The answer is the row after; `announce` it when it is queued.

        Raises:
            LeaseLost: the lease is no longer ours; nothing was changed.
        """
        now = self.now()
        reason = JobError.of(error).as_json()
        if not error.retryable or job.attempts >= job.max_attempts:
            return self._let_go(job, as_failed(now), error=reason)
        ceiling = min(RETRY_CAP, RETRY_BASE * 2 ** (min(job.attempts, 20) - 1))
        again = now + self._jitter(ceiling)
        return self._let_go(job, as_queued(again), error=reason)

    def postpone(self, job: Job, until: datetime) -> Job:
        """Queue the job again for `until`; the attempt is not counted. `announce` the answer.

        Raises:
            LeaseLost: the lease is no longer ours; nothing was changed.
        """
        return self._let_go(job, as_queued(until), attempts=_t.attempts - 1)

    def progress(self, job: Job, fraction: float) -> None:
        """Show how far a long job is, 0..1 (other values are cut to that).

        Raises:
            LeaseLost: the lease is no longer ours: stop working.
        """
        bounded = min(1.0, max(0.0, fraction))

        def show(tx: Connection) -> int:
            return tx.execute(
                update(jobs_table)
                .where(_t.id == job.id, _t.lease_token == job.lease_token)
                .values(progress=bounded, updated_at=self.now())
            ).rowcount

        if not self.db.write(show):
            raise LeaseLost([job.id])

    def record_failed(self, new: NewJob, error: HearthError) -> Job:
        """A row that is failed from the start: what came in could not even be understood."""

        def insert_it(tx: Connection) -> Job:
            now = self.now()
            insert_missing(tx, [new], now, **as_failed(now), error=JobError.of(error).as_json())
            return rows_of(tx, [new])[0]

        return self.db.write(insert_it)

    # ---- sweep ----

    def due(self, limit: int) -> list[Job]:
        """Up to `limit` jobs whose hint may be lost; `announce` them.

        Queued and due, or running with an expired lease; what was written before the clock was set
        back is due as well. Each answer sets the time before which this job is not named again
        (30 s, 1 min, … 15 min, jittered), so that a backlog is not multiplied; a claim resets it.
        """

        def mark(tx: Connection) -> list[Job]:
            now = self.now()
            self._replan(tx, now, limit)
            found = tx.execute(
                select(jobs_table)
                .where(
                    _t.state.in_((JobState.QUEUED, JobState.RUNNING)),
                    _t.resend_at <= now,
                    _t.attempts < _t.max_attempts,
                )
                .order_by(_t.id)
                .limit(limit)
            ).all()
            for row in found:
                ceiling = min(RESEND_CAP, RESEND_BASE * 2 ** min(row.resends, 10))
                tx.execute(
                    update(jobs_table)
                    .where(_t.id == row.id, _t.resend_at == row.resend_at)
                    .values(
                        resends=row.resends + 1,
                        resend_at=now + ceiling / 2 + self._jitter(ceiling / 2),
                    )
                )
            return [job_from(row) for row in found]

        return self.db.write(mark)

    def _replan(self, tx: Connection, now: datetime, limit: int) -> None:
        """Make due the open jobs that were written before the clock was set back.

        Their times lie ahead by as much, so that a retry would wait for days. Work that has a date
        of its own is postponed again by its handler. A lease lasts as long as any invocation may.
        """
        written_ahead = _t.updated_at > now + CLOCK_TOLERANCE
        for state, values in (
            (JobState.QUEUED, as_queued(now)),
            (JobState.RUNNING, {"lease_until": now + MAX_LEASE, "resend_at": now + MAX_LEASE}),
        ):
            ids = tx.scalars(select(_t.id).where(_t.state == state, written_ahead).limit(limit))
            for chunk, _ in _chunked(ids.all(), ()):
                tx.execute(
                    update(jobs_table)
                    .where(_t.id.in_(chunk), _t.state == state)
                    .values(**values, updated_at=now)
                )

    def expire(self) -> list[Job]:
        """Fail the jobs whose worker died in their last attempt; the answer is the rows after."""

        def bury(tx: Connection) -> list[Job]:
            now = self.now()
            dead = and_(
                _t.state == JobState.RUNNING,
                _t.lease_until <= now,
                _t.attempts >= _t.max_attempts,
            )
            rows: list[Row[Any]] = []
            for row in tx.execute(select(_t.id, _t.attempts, _t.lease_until).where(dead)).all():
                times = "once" if row.attempts == 1 else f"{row.attempts} times"
                reason = JobError(
                    WORKER_DIED,
                    f"the worker died {times} or ran out of time, last with a lease until "
                    f"{row.lease_until.isoformat()}; retry it when the cause is gone",
                )
                rows += tx.execute(
                    update(jobs_table)
                    .where(_t.id == row.id, dead)
                    .values(**as_failed(now), error=reason.as_json(), updated_at=now)
                    .returning(jobs_table)
                ).all()
            return [job_from(row) for row in rows]

        return self.db.write(bury)

    def prune(self, kinds: Sequence[str], finished_before: datetime, limit: int) -> int:
        """Delete up to `limit` done jobs of each of `kinds`, the oldest; returns how many.

        One transaction a kind; with a `limit` of at most 2,500 Aurora DSQL accepts it. Their
        dedupe keys are free then: who adds one of them again makes a new job.
        """
        return sum(
            self.db.write(partial(delete_finished, kind=kind, before=finished_before, limit=limit))
            for kind in kinds
        )

    # ---- people ----

    def retry(self, job_id: str) -> Job:
        """Queue a failed job again with all its attempts, and announce it.

        Raises:
            NotFound: no such job.
            Conflict: it is not failed.
        """

        def requeue(tx: Connection) -> Row[Any] | None:
            now = self.now()
            return tx.execute(
                update(jobs_table)
                .where(_t.id == job_id, _t.state == JobState.FAILED)
                .values(**as_queued(now), attempts=0, progress=0.0, error=None, updated_at=now)
                .returning(jobs_table)
            ).one_or_none()

        row = self.db.write(requeue)
        if row is None:
            state = self.get(job_id).state
            raise Conflict(f"job {job_id} is {state}; only a failed job can be retried")
        job = job_from(row)
        self.announce([job])
        return job

    def _let_go(self, job: Job, values: Mapping[str, Any], **more: Any) -> Job:
        def release(tx: Connection) -> Row[Any] | None:
            return tx.execute(
                update(jobs_table)
                .where(
                    _t.id == job.id,
                    _t.lease_token == job.lease_token,
                    _t.state == JobState.RUNNING,
                )
                .values(**values, **more, updated_at=self.now())
                .returning(jobs_table)
            ).one_or_none()

        row = self.db.write(release)
        if row is None:
            raise LeaseLost([job.id])
        return job_from(row)


def _by_token(jobs: Iterable[Job]) -> dict[str | None, list[str]]:
    groups: dict[str | None, list[str]] = defaultdict(list)
    for job in jobs:
        groups[job.lease_token].append(job.id)
    return groups


def _chunked(
    ids: Sequence[str], keys: Sequence[str]
) -> Iterable[tuple[Sequence[str], Sequence[str]]]:
    for start in range(0, max(len(ids), len(keys)), IN_LIST):
        yield ids[start : start + IN_LIST], keys[start : start + IN_LIST]
