from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from sqlalchemy import text

from hearth.db import Database
from hearth.errors import InvalidInput, ModelFailed, Unavailable
from hearth.ledger.consumer import (
    Consumer,
    Deadline,
    Done,
    Failed,
    Outcome,
    Postpone,
    Work,
    each,
)
from hearth.ledger.ledger import Job, JobState, Ledger, NewJob, UnitOfWork
from tests.support.databases import migrated_sqlite
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, sqs_event

NOTHING_FAILED: dict[str, Any] = {"batchItemFailures": []}


class Harness:
    """A consumer on a real ledger, with what it was asked to do."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = Clock()
        self.queues = MemoryQueues()
        self.ledger = Ledger(db, self.queues, now=self.clock, jitter=lambda ceiling: ceiling)
        self.done: list[str] = []

    def consumer(self, **work: Work | Callable[[Job], Outcome]) -> Consumer:
        kinds = {f"test.{kind}": fn for kind, fn in work.items()}
        return Consumer(self.ledger, kinds, translate)  # type: ignore[arg-type]

    def store(self, job: Job) -> Outcome:
        """An outcome that stores the job's name, so that a repeat shows as a second row."""

        def write(work: UnitOfWork) -> None:
            work.tx.execute(text("INSERT INTO outputs VALUES (:name)"), {"name": job.dedupe_key})

        return Done(write)

    def outputs(self) -> list[str]:
        query = text("SELECT name FROM outputs ORDER BY name")
        return list(self.db.read(lambda tx: tx.execute(query).scalars().all()))

    def add(self, *names: str, kind: str = "test.job", **more: Any) -> list[Job]:
        jobs = [NewJob(kind, "test", name, {}, **more) for name in names]
        return self.db.write(lambda tx: self.ledger.add(tx, jobs))

    def only(self) -> Job:
        (job,) = self.ledger.list().jobs
        return job

    def crash(self, *jobs: Job) -> None:
        """A worker takes the jobs and dies; the lease runs out."""
        self.ledger.claim([job.id for job in jobs], [], timedelta(seconds=5))
        self.clock.advance(6)


def write_nowhere(work: UnitOfWork) -> None:
    work.tx.execute(text("INSERT INTO nowhere VALUES (1)"))


def translate(record: SQSRecord) -> list[NewJob] | str:
    body = json.loads(record.body)
    if "ignore" in body:
        return "it says so"
    if "bug" in body:
        raise KeyError("bug")
    if "names" not in body:
        raise InvalidInput("the body has no names")
    return [NewJob("test.job", "test", name, {}) for name in body["names"]]


def hint(job: Job) -> dict[str, str]:
    return {"job_id": job.id, "kind": job.kind}


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    db = Database(migrated_sqlite(tmp_path / "hearth.db"))
    db.write(lambda tx: tx.execute(text("CREATE TABLE outputs (name TEXT)")))
    yield Harness(db)
    db.close()


def test_an_empty_batch_is_answered(harness: Harness) -> None:
    assert harness.consumer(job=each(harness.store))(sqs_event(), LambdaContext()) == NOTHING_FAILED


def test_an_event_that_is_no_batch_is_refused(harness: Harness) -> None:
    with pytest.raises(InvalidInput, match="Records"):
        harness.consumer(job=each(harness.store))({"Records": None}, LambdaContext())


def test_foreign_messages_and_hints_end_done_with_their_outputs(harness: Harness) -> None:
    (known,) = harness.add("known")
    event = sqs_event({"names": ["a", "b"]}, hint(known), {"names": ["c"]})
    answer = harness.consumer(job=each(harness.store))(event, LambdaContext())
    assert answer == NOTHING_FAILED
    assert harness.outputs() == ["a", "b", "c", "known"]
    assert harness.ledger.summary() == {"test.job": {"done": 4}}


def test_a_message_twice_in_one_batch_and_again_later_is_one_job(harness: Harness) -> None:
    (known,) = harness.add("known")
    event = sqs_event({"names": ["a"]}, {"names": ["a"]}, hint(known), hint(known))
    consumer = harness.consumer(job=each(harness.store))
    for _ in range(3):
        assert consumer(event, LambdaContext()) == NOTHING_FAILED
    assert harness.outputs() == ["a", "known"]


def test_a_hint_and_its_foreign_message_in_one_batch_are_one_job(harness: Harness) -> None:
    (known,) = harness.add("a")
    harness.consumer(job=each(harness.store))(
        sqs_event(hint(known), {"names": ["a"]}), LambdaContext()
    )
    assert harness.outputs() == ["a"]


def test_a_hint_for_an_unknown_job_is_let_go(harness: Harness) -> None:
    event = sqs_event({"job_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "kind": "test.job"})
    assert harness.consumer(job=each(harness.store))(event, LambdaContext()) == NOTHING_FAILED
    assert harness.ledger.summary() == {}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        '{"bug": 1}',
        '{"job_id": 1, "kind": "test.job"}',
        "[" * 100_000,
        '"\\ud800"',
        '{"names": [""]}',
    ],
    ids=lambda body: body[:30],
)
def test_an_unreadable_message_is_visible_and_never_retried(harness: Harness, body: str) -> None:
    consumer = harness.consumer(job=each(harness.store))
    event = sqs_event(body, {"names": ["a"]}, body)
    assert consumer(event, LambdaContext()) == NOTHING_FAILED
    assert consumer(event, LambdaContext()) == NOTHING_FAILED
    assert harness.outputs() == ["a"]
    (job,) = harness.ledger.list(kind="test.unreadable").jobs
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error.code == "VALIDATION_ERROR"
    assert job.payload == {"body": body[:4096], "length": len(body)}
    assert harness.ledger.due(10) == []


@pytest.mark.parametrize(
    "body", [{"Event": "s3:TestEvent", "Bucket": "b", "Service": "Amazon S3"}, {"ignore": 1}]
)
def test_a_message_that_is_none_of_our_business_is_let_go(
    harness: Harness, body: dict[str, Any]
) -> None:
    answer = harness.consumer(job=each(harness.store))(sqs_event(body), LambdaContext())
    assert answer == NOTHING_FAILED
    assert harness.ledger.summary() == {}


def test_a_kind_that_nobody_here_does_fails_visibly(harness: Harness) -> None:
    (job,) = harness.add("a", kind="other.kind")
    answer = harness.consumer(job=each(harness.store))(sqs_event(hint(job)), LambdaContext())
    assert answer == NOTHING_FAILED
    error = harness.only().error
    assert harness.only().state is JobState.FAILED
    assert error is not None
    assert error.message == "'other.kind' is not a kind that this function does; it does test.job"


def test_a_job_that_another_worker_holds_is_left_to_it(harness: Harness) -> None:
    (job,) = harness.add("a")
    harness.ledger.claim([job.id], [], timedelta(seconds=30))
    answer = harness.consumer(job=each(harness.store))(sqs_event(hint(job)), LambdaContext())
    assert answer == NOTHING_FAILED
    assert harness.outputs() == []
    assert harness.only().state is JobState.RUNNING


def test_the_lease_outlives_the_invocation_by_a_second(harness: Harness) -> None:
    seen: list[Job] = []

    def look(job: Job) -> Outcome:
        seen.append(job)
        return Done()

    harness.consumer(job=each(look))(sqs_event({"names": ["a"]}), LambdaContext(remaining_s=20))
    assert seen[0].lease_until == harness.clock() + timedelta(seconds=21)


def test_one_bad_job_leaves_the_rest_of_its_batch_unharmed(harness: Harness) -> None:
    def work(job: Job) -> Outcome:
        if job.dedupe_key == "bad":
            raise InvalidInput("0 bytes are no picture", details=[{"field": "size"}])
        if job.dedupe_key == "bug":
            raise ZeroDivisionError
        if job.dedupe_key == "busy":
            raise Unavailable("S3 does not answer")
        return harness.store(job)

    event = sqs_event({"names": ["a", "bad", "b", "bug", "busy"]})
    assert harness.consumer(job=each(work))(event, LambdaContext()) == NOTHING_FAILED
    assert harness.outputs() == ["a", "b"]
    jobs = {job.dedupe_key: job for job in harness.ledger.list().jobs}
    assert jobs["bad"].state is JobState.FAILED
    assert jobs["bad"].error is not None
    assert jobs["bad"].error.details == ({"field": "size"},)
    for name, code in (("bug", "INTERNAL_ERROR"), ("busy", "UNAVAILABLE")):
        error = jobs[name].error
        assert error is not None
        assert (jobs[name].state, error.code) == (JobState.QUEUED, code)
        assert jobs[name].available_at == harness.clock() + timedelta(seconds=2)
    assert sorted((m.body["job_id"], m.delay_s) for m in harness.queues.sent) == sorted(
        (jobs[name].id, 2) for name in ("bug", "busy")
    )


def test_a_crash_says_its_type_and_nothing_of_its_inside(harness: Harness) -> None:
    def work(job: Job) -> Outcome:
        raise RuntimeError("password=secret")

    harness.consumer(job=each(work))(sqs_event({"names": ["a"]}), LambdaContext())
    error = harness.only().error
    assert error is not None
    assert "RuntimeError" in error.message
    assert "secret" not in error.message


def test_a_write_that_fails_spoils_only_its_own_job(harness: Harness) -> None:
    def work(job: Job) -> Outcome:
        if job.dedupe_key == "bad":
            return Done(write_nowhere)
        return harness.store(job)

    event = sqs_event({"names": ["a", "bad", "b"]})
    assert harness.consumer(job=each(work))(event, LambdaContext()) == NOTHING_FAILED
    assert harness.outputs() == ["a", "b"]
    states = harness.ledger.states(["a", "bad", "b"])
    assert states == {"a": JobState.DONE, "b": JobState.DONE, "bad": JobState.QUEUED}


def test_follow_ups_are_added_with_the_outputs_and_announced_after(harness: Harness) -> None:
    def work(job: Job) -> Outcome:
        return Done(
            lambda work: work.add(NewJob("next.step", "next", f"next:{job.dedupe_key}", {"x": 1}))
        )

    consumer = harness.consumer(job=each(work))
    consumer(sqs_event({"names": ["a", "b"]}), LambdaContext())
    (job_a, job_b) = harness.ledger.list(kind="next.step").jobs
    sent = harness.queues.take("next")
    assert {m.body["job_id"] for m in sent} == {job_a.id, job_b.id}
    assert {m.body["kind"] for m in sent} == {"next.step"}


def test_a_lost_hint_for_a_follow_up_harms_nothing(harness: Harness) -> None:
    harness.queues.offline = True

    def work(job: Job) -> Outcome:
        return Done(lambda work: work.add(NewJob("next.step", "next", "next", {})))

    answer = harness.consumer(job=each(work))(sqs_event({"names": ["a"]}), LambdaContext())
    assert answer == NOTHING_FAILED
    assert [job.kind for job in harness.ledger.due(10)] == ["next.step"]


def test_outputs_are_dropped_when_the_lease_is_lost(harness: Harness) -> None:
    def slow(job: Job) -> Outcome:
        if job.dedupe_key == "slow":
            harness.clock.advance(60)
            assert harness.ledger.claim([job.id], [], timedelta(seconds=30))
        return harness.store(job)

    event = sqs_event({"names": ["a", "slow"]})
    assert harness.consumer(job=each(slow))(event, LambdaContext()) == NOTHING_FAILED
    assert harness.outputs() == ["a"]
    assert harness.ledger.states(["slow"]) == {"slow": JobState.RUNNING}


def test_work_is_postponed_and_its_attempt_not_counted(harness: Harness) -> None:
    until = harness.clock() + timedelta(seconds=30)
    consumer = harness.consumer(job=each(lambda job: Postpone(until)))
    consumer(sqs_event({"names": ["a"]}), LambdaContext())
    job = harness.only()
    assert (job.state, job.attempts, job.available_at) == (JobState.QUEUED, 0, until)
    assert [(m.body["job_id"], m.delay_s) for m in harness.queues.sent] == [(job.id, 30)]


def test_jobs_that_would_overrun_are_postponed(harness: Harness) -> None:
    context = LambdaContext(remaining_s=5)

    def work(job: Job) -> Outcome:
        context.remaining_s -= 4.5
        return harness.store(job)

    consumer = harness.consumer(job=each(work))
    assert consumer(sqs_event({"names": ["a", "b", "c"]}), context) == NOTHING_FAILED
    assert len(harness.outputs()) == 1
    assert harness.ledger.summary() == {"test.job": {"done": 1, "queued": 2}}
    assert len(harness.queues.sent) == 2


def test_a_worker_over_many_jobs_may_give_outcomes_as_it_goes(harness: Harness) -> None:
    seen: list[int] = []

    def work(jobs: Sequence[Job], deadline: Deadline) -> Iterable[tuple[Job, Outcome]]:
        seen.append(len(jobs))
        for job in jobs:
            yield job, harness.store(job)
            yield job, Failed(InvalidInput("a second outcome is not heard"))

    harness.consumer(job=work)(sqs_event({"names": ["a", "b"]}), LambdaContext())
    assert seen == [2]
    assert harness.outputs() == ["a", "b"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, JobState.QUEUED),
        (KeyError("x"), JobState.QUEUED),
        (Unavailable("x"), JobState.QUEUED),
        (ModelFailed("x"), JobState.FAILED),
    ],
)
def test_a_worker_that_stops_midway_keeps_what_it_gave(
    harness: Harness, error: Exception | None, state: JobState
) -> None:
    def work(jobs: Sequence[Job], deadline: Deadline) -> Iterable[tuple[Job, Outcome]]:
        yield jobs[0], harness.store(jobs[0])
        if error is not None:
            raise error

    harness.consumer(job=work)(sqs_event({"names": ["a", "b"]}), LambdaContext())
    assert len(harness.outputs()) == 1
    assert sorted(harness.ledger.states(["a", "b"]).values()) == sorted([JobState.DONE, state])


def test_a_batch_goes_back_to_the_queue_only_when_the_ledger_is_out_of_reach(
    harness: Harness,
) -> None:
    harness.db.write(lambda tx: tx.execute(text("ALTER TABLE jobs RENAME TO away")))
    event = sqs_event({"names": ["a"]}, {"Event": "s3:TestEvent"}, "nonsense")
    answer = harness.consumer(job=each(harness.store))(event, LambdaContext())
    ids = [record["messageId"] for record in event["Records"]]
    failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
    assert failed == {ids[0], ids[2]}
    harness.db.write(lambda tx: tx.execute(text("ALTER TABLE away RENAME TO jobs")))
    harness.consumer(job=each(harness.store))(event, LambdaContext())
    assert harness.outputs() == ["a"]


def test_a_message_goes_back_when_the_ledger_is_lost_after_the_work(harness: Harness) -> None:
    def work(job: Job) -> Outcome:
        if job.dedupe_key == "a":
            harness.db.write(lambda tx: tx.execute(text("ALTER TABLE jobs RENAME TO away")))
        return harness.store(job)

    event = sqs_event({"names": ["a"]}, {"names": ["a"]}, {"ignore": 1})
    answer = harness.consumer(job=each(work))(event, LambdaContext())
    ids = [record["messageId"] for record in event["Records"]]
    assert [item["itemIdentifier"] for item in answer["batchItemFailures"]] == ids[:2]
    assert harness.outputs() == []


def test_a_job_whose_worker_died_is_worked_on_alone_and_last(harness: Harness) -> None:
    poisoned = harness.add("p1", "p2", "p3")
    harness.crash(*poisoned)
    calls: list[list[str]] = []

    def work(jobs: Sequence[Job], deadline: Deadline) -> Iterable[tuple[Job, Outcome]]:
        # What is not worked on now is already back in the queue: a crash here cannot harm it.
        states = list(harness.ledger.states(["p2", "p3"]).values())
        calls.append([job.dedupe_key for job in jobs])
        assert states == [JobState.QUEUED, JobState.QUEUED]
        for job in jobs:
            yield job, harness.store(job)

    event = sqs_event(*map(hint, poisoned), {"names": ["fresh"]})
    assert harness.consumer(job=work)(event, LambdaContext()) == NOTHING_FAILED
    assert calls == [["fresh"], ["p1"]]
    left = [job for job in harness.ledger.list().jobs if job.state is JobState.QUEUED]
    assert {(job.dedupe_key, job.attempts) for job in left} == {("p2", 1), ("p3", 1)}
    assert len(harness.queues.sent) == 2


def test_a_poison_job_fails_alone_after_its_attempts(harness: Harness) -> None:
    """Ten jobs come in one batch; one kills whatever process works on it."""
    jobs = harness.add(*(f"j{n}" for n in range(10)))
    poison = jobs[3]

    class Killed(BaseException):
        pass

    def work(job: Job) -> Outcome:
        if job.id == poison.id:
            raise Killed
        return harness.store(job)

    consumer = harness.consumer(job=each(work))
    hints = [hint(job) for job in jobs]
    for _ in range(60):
        try:
            consumer(sqs_event(*hints), LambdaContext())
        except Killed:
            harness.clock.advance(40)
        harness.ledger.expire()
    states = harness.ledger.states([job.dedupe_key for job in jobs])
    assert states.pop(poison.dedupe_key) is JobState.FAILED
    assert set(states.values()) == {JobState.DONE}
    error = harness.ledger.get(poison.id).error
    assert error is not None
    assert error.message.startswith("the worker died 5 times")


def test_a_suspect_waits_for_an_invocation_with_time_to_spare(harness: Harness) -> None:
    (suspect,) = harness.add("suspect")
    harness.crash(suspect)
    context = LambdaContext(remaining_s=30)

    def work(job: Job) -> Outcome:
        context.remaining_s = 10
        return harness.store(job)

    consumer = harness.consumer(job=each(work))
    consumer(sqs_event(hint(suspect), {"names": ["fresh"]}), context)
    assert harness.outputs() == ["fresh"]
    assert harness.ledger.get(suspect.id).attempts == 1
    consumer(sqs_event(hint(suspect)), LambdaContext(remaining_s=30))
    assert harness.outputs() == ["fresh", "suspect"]


@pytest.mark.parametrize(("left", "remaining", "allows"), [(0.5, 0, False), (3, 2, True)])
def test_a_deadline_keeps_a_second_for_the_commit(
    left: float, remaining: float, allows: bool
) -> None:
    deadline = Deadline(lambda: left)
    assert deadline.remaining() == remaining
    assert deadline.allows(1.5) is allows
    assert not deadline.allows(2.5)
