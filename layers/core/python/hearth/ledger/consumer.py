"""The one way in which a queue function works.

A message is a hint. Its job is leased from the ledger, worked on, and its outputs are committed
together with `done`; only then is the message deleted. A message is handed back to the queue in
one case: the ledger itself could not be reached. Everything else (a malformed body, an unknown
kind, a failure, a lease elsewhere) ends in the ledger, visible, and the message is deleted.

A job whose last worker died is worked on alone, so that one that kills its process (out of
memory, a crash in native code, too slow) takes no other job down with it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from hearth.errors import HearthError, InvalidInput
from hearth.ids import ULID_PATTERN
from hearth.ledger.ledger import WORKER_DIED, Job, JobState, LeaseLost, Ledger, NewJob
from hearth.ledger.unit_of_work import UnitOfWork
from hearth.logging import emit, logger, with_request_id

AT_ONCE_S: Final = 5.0
"""What an invocation must have left to go on with jobs that it added itself."""
LEASE_MARGIN = timedelta(seconds=1)
"""A lease outlives the invocation that took it by this much."""
COMMIT_RESERVE_S = 1.0
"""Kept back from the worker's deadline for the commit."""
_UNREADABLE_BODY_CHARS = 4096
_ULID = re.compile(ULID_PATTERN)


class Crashed(HearthError):
    """A worker raised an unexpected exception.

    It is retried until the attempts run out, because many causes are transient.
    """

    retryable = True


class Deadline:
    """How long the worker may still take.

    Args:
        remaining_s: Seconds until the invocation is killed.
    """

    def __init__(self, remaining_s: Callable[[], float]) -> None:
        self._remaining_s = remaining_s

    def remaining(self) -> float:
        """Seconds left for work, the time to commit taken off; never negative."""
        return max(0.0, self._remaining_s() - COMMIT_RESERVE_S)

    def allows(self, seconds: float) -> bool:
        """Whether work of that length would end in time."""
        return self.remaining() > seconds


@dataclass(frozen=True, slots=True)
class Done:
    """The work is made; `write` stores its outputs, and emits or adds what follows from it.

    `write` runs in the transaction that marks the job done, and may run more than once.
    """

    write: Callable[[UnitOfWork], None] | None = None


@dataclass(frozen=True, slots=True)
class Postpone:
    """Queue the job again for `until` without counting the attempt."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; `error.retryable` decides whether there is another."""

    error: HearthError


Outcome = Done | Postpone | Failed
Work = Callable[[Sequence[Job], Deadline], Iterable[tuple[Job, Outcome]]]
"""Works on some jobs of one kind; gives each exactly one outcome, as it goes."""


def each(fn: Callable[[Job], Outcome], now: Callable[[], datetime] | None = None) -> Work:
    """A `Work` that calls `fn` for one job after the other.

    A job that would overrun, judged by the longest one so far, is postponed to at once.
    """

    def work(jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        longest = 0.0
        for job in jobs:
            if not deadline.allows(longest):
                yield job, Postpone(now() if now else job.available_at)
                continue
            began = time.monotonic()
            yield job, guarded(fn, job)
            longest = max(longest, time.monotonic() - began)

    return work


def guarded(fn: Callable[[Job], Outcome], job: Job) -> Outcome:
    """Return the outcome of `fn`; an exception becomes `Failed`."""
    try:
        return fn(job)
    except HearthError as error:
        return Failed(error)
    except Exception as error:
        logger.exception("a worker crashed", job_id=job.id, kind=job.kind)
        return Failed(Crashed(f"the worker crashed with {type(error).__name__}; see the log"))


@dataclass(slots=True)
class _Batch:
    """The messages of one invocation, and the jobs that they name."""

    wanted: dict[str, set[str]] = field(default_factory=dict)
    """Job id or dedupe key → the messages that named it."""
    ids: dict[str, str] = field(default_factory=dict)
    """Job id → kind, from hints."""
    new: dict[str, NewJob] = field(default_factory=dict)
    """Dedupe key → job, from foreign messages."""
    urgent: list[Job] = field(default_factory=list)
    """Jobs that were added and are to be worked on at once."""
    unreadable: list[tuple[SQSRecord, HearthError]] = field(default_factory=list)
    failures: dict[str, Exception] = field(default_factory=dict)
    """Message id → why the message goes back to the queue."""

    def hand_back(self, jobs: Iterable[Job], error: Exception) -> None:
        for job in jobs:
            for name in (job.id, job.dedupe_key):
                for message_id in self.wanted.get(name, ()):
                    self.failures[message_id] = error


class Consumer:
    """A Lambda handler for an SQS event source with partial batch responses.

    Args:
        ledger: Where the jobs are.
        work: Kind → what does it.
        translate: Returns the jobs for a message that is not a job notification, or the reason
            (text) to ignore it; raises InvalidInput for a malformed body.
        queue: Name of the queue that this reads, under which messages that cannot be read are
            filed. By default what the first kind begins with, such as `detection`.
        at_once: Kinds of jobs that the invocation which adds them works on, because somebody waits
            for it: at the end of a long queue they would wait for everything before them.
    """

    def __init__(
        self,
        ledger: Ledger,
        work: Mapping[str, Work],
        translate: Callable[[SQSRecord], list[NewJob] | str],
        queue: str | None = None,
        at_once: Collection[str] = (),
    ) -> None:
        self._ledger = ledger
        self._at_once = frozenset(at_once)
        self._work = dict(work)
        self._translate = translate
        self._family = queue or next(iter(self._work), "jobs").split(".")[0]
        self._handle = with_request_id(self._respond)

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Handle one batch; the answer names the messages to deliver again."""
        answer: dict[str, Any] = self._handle(event, context)
        return answer

    def _respond(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        if not isinstance(event.get("Records"), list):
            raise InvalidInput("the event has no list of Records; this function reads a queue")

        def remaining_s() -> float:
            return float(context.get_remaining_time_in_millis()) / 1000

        failures = self._run([SQSRecord(record) for record in event["Records"]], remaining_s)

        def outcome_of(record: SQSRecord) -> None:
            if record.message_id in failures:
                raise failures[record.message_id]

        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        with processor(event["Records"], outcome_of):
            processor.process()
        return dict(processor.response())

    def _run(
        self, records: Sequence[SQSRecord], remaining_s: Callable[[], float]
    ) -> dict[str, Exception]:
        batch = self._read(records)
        self._record_unreadable(batch)
        lease = timedelta(seconds=remaining_s()) + LEASE_MARGIN
        try:
            claimed = self._ledger.claim(list(batch.ids), list(batch.new.values()), lease)
            self._log_unknown(batch, claimed)
        except Exception as error:
            logger.exception("the ledger could not be reached; the batch goes back to the queue")
            return batch.failures | {
                message_id: error for ids in batch.wanted.values() for message_id in ids
            }
        healthy, suspect = self._parts(claimed, batch)
        self._work_on(healthy, Deadline(remaining_s), batch)
        if suspect and timedelta(seconds=remaining_s()) > lease / 2:
            self._work_on([suspect], Deadline(remaining_s), batch)
        elif suspect:
            # Too little is left to tell a slow job from one that was only started late.
            self._settle([(suspect, Postpone(self._ledger.now()))], batch)
        if batch.urgent and remaining_s() > AT_ONCE_S:
            self._work_at_once(batch, remaining_s, lease)
        return batch.failures

    def _work_at_once(
        self, batch: _Batch, remaining_s: Callable[[], float], lease: timedelta
    ) -> None:
        """Work on what this invocation added; what fails to be claimed is on the queue, too."""
        try:
            claimed = self._ledger.claim([job.id for job in batch.urgent], [], lease)
        except Exception:
            logger.exception("the ledger could not be reached; the queue brings the urgent jobs")
            return
        self._work_on(claimed, Deadline(remaining_s), batch)

    # ---- what came in ----

    def _read(self, records: Sequence[SQSRecord]) -> _Batch:
        batch = _Batch()
        for record in records:
            try:
                self._read_one(record, batch)
            except HearthError as error:
                batch.unreadable.append((record, error))
            except Exception as error:
                logger.exception("a message could not be read", message_id=record.message_id)
                reason = f"the message could not be read ({type(error).__name__})"
                batch.unreadable.append((record, InvalidInput(reason)))
        return batch

    def _read_one(self, record: SQSRecord, batch: _Batch) -> None:
        body = _json_object(record.body)
        if _is_hint(body):
            batch.ids[body["job_id"]] = body["kind"]
            batch.wanted.setdefault(body["job_id"], set()).add(record.message_id)
            return
        if body.get("Event") == "s3:TestEvent":
            logger.info("S3 says that its notifications work", bucket=body.get("Bucket"))
            return
        translated = self._translate(record)
        if isinstance(translated, str):
            logger.info("message ignored", message_id=record.message_id, reason=translated)
            return
        for job in translated:
            batch.new.setdefault(job.dedupe_key, job)
            batch.wanted.setdefault(job.dedupe_key, set()).add(record.message_id)

    def _record_unreadable(self, batch: _Batch) -> None:
        for record, error in batch.unreadable:
            raw = str(record.body).encode("utf-8", "backslashreplace")
            digest, body = hashlib.sha256(raw).hexdigest(), raw.decode()
            logger.error("unreadable message", message_id=record.message_id, reason=error.message)
            try:
                self._ledger.record_failed(
                    NewJob(
                        kind=f"{self._family}.unreadable",
                        queue=self._family,
                        # The same nonsense on two queues is two findings.
                        dedupe_key=f"unreadable:{self._family}:{digest}",
                        payload={"body": body[:_UNREADABLE_BODY_CHARS], "length": len(body)},
                    ),
                    error,
                )
            except Exception as failure:
                logger.exception("the ledger could not be reached", message_id=record.message_id)
                batch.failures[record.message_id] = failure

    def _log_unknown(self, batch: _Batch, claimed: Sequence[Job]) -> None:
        """Log notifications without a claimable job, such as after a restored backup."""
        for job_id in batch.ids.keys() - {job.id for job in claimed}:
            logger.info("nothing to do for a hint", job_id=job_id, kind=batch.ids[job_id])

    # ---- what is worked on together ----

    def _parts(self, claimed: Sequence[Job], batch: _Batch) -> tuple[list[Job], Job | None]:
        """Split off the jobs whose last worker died; at most one of them is worked on now."""
        suspects = [job for job in claimed if job.error and job.error.code == WORKER_DIED]
        healthy = [job for job in claimed if job not in suspects]
        # Before any work: were this process to die now, each would lose an attempt.
        now = self._ledger.now()
        self._settle([(job, Postpone(now)) for job in suspects[1:]], batch)
        return healthy, suspects[0] if suspects else None

    def _work_on(self, jobs: Sequence[Job], deadline: Deadline, batch: _Batch) -> None:
        by_kind: dict[str, list[Job]] = {}
        for job in jobs:
            by_kind.setdefault(job.kind, []).append(job)
        outcomes: list[tuple[Job, Outcome]] = []
        for kind, members in by_kind.items():
            began = time.monotonic()
            of_kind = list(self._outcomes(kind, members, deadline))
            outcomes += of_kind
            _measure(kind, [outcome for _, outcome in of_kind], time.monotonic() - began)
        done = [(job, outcome) for job, outcome in outcomes if isinstance(outcome, Done)]
        self._commit(done, batch)
        self._settle([pair for pair in outcomes if not isinstance(pair[1], Done)], batch)

    def _outcomes(
        self, kind: str, jobs: Sequence[Job], deadline: Deadline
    ) -> Iterator[tuple[Job, Outcome]]:
        waiting = {job.id: job for job in jobs}
        if kind not in self._work:
            known = ", ".join(sorted(self._work)) or "none"
            error = InvalidInput(f"{kind!r} is not a kind that this function does; it does {known}")
            yield from ((job, Failed(error)) for job in jobs)
            return
        missing: HearthError = Crashed("the worker gave no outcome for this job")
        try:
            for job, outcome in self._work[kind](jobs, deadline):
                if waiting.pop(job.id, None) is None:
                    logger.error("a second outcome for a job", job_id=job.id, kind=kind)
                    continue
                yield job, outcome
        except HearthError as error:
            missing = error
        except Exception as error:
            logger.exception("a worker crashed", kind=kind)
            missing = Crashed(f"the worker crashed with {type(error).__name__}; see the log")
        yield from ((job, Failed(missing)) for job in waiting.values())

    # ---- what goes into the ledger ----

    def _commit(self, done: Sequence[tuple[Job, Done]], batch: _Batch) -> None:
        if not done:
            return
        try:
            batch.urgent += self._commit_together(done)
        except Exception as error:
            if len(done) > 1:
                # One of them may spoil the transaction; alone, it spoils only its own.
                logger.warning("a batch could not be committed at once", reason=repr(error))
                for pair in done:
                    self._commit([pair], batch)
                return
            self._not_committed(done[0][0], error, batch)

    def _commit_together(self, done: Sequence[tuple[Job, Done]]) -> list[Job]:
        """Commit outcomes; the answer is what was added and is to be worked on at once."""

        def commit(work: UnitOfWork) -> list[Job]:
            self._ledger.complete_all(work.tx, [job for job, _ in done])
            for _, outcome in done:
                if outcome.write is not None:
                    outcome.write(work)
            return [job for job in work.flush() if job.kind in self._at_once]

        return self._ledger.transact(commit)

    def _not_committed(self, job: Job, error: Exception, batch: _Batch) -> None:
        if isinstance(error, LeaseLost):
            logger.warning("lease lost; the outputs are dropped", job_id=job.id, kind=job.kind)
            return
        if isinstance(error, HearthError):
            failure = error
        else:
            logger.exception("the outputs could not be stored", job_id=job.id, kind=job.kind)
            failure = Crashed(f"storing the outputs failed with {type(error).__name__}")
        self._settle([(job, Failed(failure))], batch)

    def _settle(self, pairs: Iterable[tuple[Job, Outcome]], batch: _Batch) -> None:
        """Record the outcomes other than `Done`; announce the jobs that are queued again."""
        again: list[Job] = []
        for job, outcome in pairs:
            try:
                if isinstance(outcome, Postpone):
                    again.append(self._ledger.postpone(job, outcome.until))
                elif isinstance(outcome, Failed):
                    after = self._ledger.fail(job, outcome.error)
                    logger.warning(
                        "job failed" if after.state is JobState.FAILED else "attempt failed",
                        job_id=job.id,
                        kind=job.kind,
                        attempt=job.attempts,
                        code=outcome.error.code,
                        reason=outcome.error.message,
                    )
                    again.append(after)
            except LeaseLost:
                logger.warning("lease lost", job_id=job.id, kind=job.kind)
            except Exception as error:
                logger.exception("the ledger could not be reached", job_id=job.id)
                batch.hand_back([job], error)
        self._ledger.announce(job for job in again if job.state is JobState.QUEUED)


def _json_object(body: Any) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {str(body)[:80]!r}") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"the body is JSON but not an object: {str(body)[:80]!r}")
    return value


def _is_hint(body: Mapping[str, Any]) -> bool:
    # An id that the database cannot even be asked for would send the whole batch back for ever.
    return (
        body.keys() == {"job_id", "kind"}
        and all(isinstance(value, str) for value in body.values())
        and _ULID.fullmatch(body["job_id"]) is not None
    )


def _measure(kind: str, outcomes: Sequence[Outcome], seconds: float) -> None:
    def count(of: type) -> tuple[float, MetricUnit]:
        return sum(isinstance(outcome, of) for outcome in outcomes), MetricUnit.Count

    emit(
        {
            "JobsDone": count(Done),
            "JobsFailed": count(Failed),
            "JobsPostponed": count(Postpone),
            "WorkSeconds": (seconds, MetricUnit.Seconds),
        },
        kind=kind,
    )
