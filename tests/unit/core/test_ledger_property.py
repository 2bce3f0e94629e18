"""Whatever is lost, repeated, reordered or killed: each job ends done once, or failed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import text

from hearth.db import Database
from hearth.errors import InvalidInput, Unavailable
from hearth.ledger.consumer import Consumer, Done, Failed, Outcome, Postpone, each
from hearth.ledger.ledger import Job, JobState, Ledger, NewJob, UnitOfWork
from tests.support.databases import migrated_sqlite
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, sqs_event

NAMES = [f"frame:{letter}" for letter in "abcdef"]
ATTEMPTS = 3
names = st.sampled_from(NAMES)
behaviours = st.sampled_from(
    ["done", "kill", "overtaken", "unavailable", "invalid", "bug", "postpone", "bad write"]
)


class Killed(BaseException):
    """`kill -9` in the middle of a job."""


def write_nowhere(work: UnitOfWork) -> None:
    work.tx.execute(text("INSERT INTO nowhere VALUES (1)"))


class LedgerMachine(RuleBasedStateMachine):
    """Workers, crashes, a person and a queue that loses, doubles and reorders, on one ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.db = Database(migrated_sqlite(Path(self.folder.name) / "hearth.db"))
        self.db.write(lambda tx: tx.execute(text("CREATE TABLE outputs (job TEXT, follow TEXT)")))
        self.clock = Clock()
        self.queues = MemoryQueues()
        self.ledger = Ledger(self.db, self.queues, now=self.clock, jitter=lambda ceiling: ceiling)
        self.plan: dict[str, str] = {}
        self.stale: list[Job] = []
        self.ever: set[str] = set()
        self.finished: dict[str, JobState] = {}
        self.consumer = Consumer(
            self.ledger, {"test.job": each(self.work), "test.next": each(self.work)}, self.translate
        )

    def teardown(self) -> None:
        self.drain()
        self.db.close()
        self.folder.cleanup()

    def translate(self, record: Any) -> list[NewJob]:
        return [
            NewJob("test.job", "test", name, {}, max_attempts=ATTEMPTS)
            for name in record.json_body["names"]
        ]

    def work(self, job: Job) -> Outcome:
        assert job.state is JobState.RUNNING
        match self.plan.get(job.dedupe_key, "done"):
            case "kill":
                self.stale.append(job)
                raise Killed
            case "unavailable":
                return Failed(Unavailable("busy"))
            case "invalid":
                raise InvalidInput("no picture")
            case "bug":
                raise ZeroDivisionError
            case "postpone":
                return Postpone(self.clock() + timedelta(seconds=1))
            case "overtaken":
                # So slow that another worker takes it over meanwhile.
                self.clock.advance(60)
                self.stale += self.ledger.claim([job.id], [], timedelta(seconds=5))
            case "bad write":
                return Done(write_nowhere)
        return self.store(job)

    def store(self, job: Job) -> Done:
        def write(work: UnitOfWork) -> None:
            tx = work.tx
            tx.execute(text("INSERT INTO outputs VALUES (:job, '')"), {"job": job.dedupe_key})
            if job.kind != "test.next":
                key = f"next:{job.dedupe_key}"
                work.add(NewJob("test.next", "test", key, {}, max_attempts=9))

        return Done(write)

    def handle(self, *bodies: Any) -> None:
        try:
            answer = self.consumer(sqs_event(*bodies), LambdaContext())
        except Killed:
            return
        assert answer == {"batchItemFailures": []}

    def rows(self) -> dict[str, Job]:
        return {job.dedupe_key: job for job in self.ledger.list(limit=100).jobs}

    # ---- what may happen ----

    @rule(batches=st.lists(st.lists(names, max_size=3), min_size=1, max_size=4))
    def upload(self, batches: list[list[str]]) -> None:
        self.ever.update(name for batch in batches for name in batch)
        self.handle(*({"names": batch} for batch in batches))

    @initialize(plan=st.fixed_dictionaries(dict.fromkeys(NAMES, behaviours)))
    def begin(self, plan: dict[str, str]) -> None:
        self.plan = plan

    @rule(name=names, what=behaviours)
    def decide(self, name: str, what: str) -> None:
        self.plan[name] = what

    @rule(data=st.data())
    def deliver_some_hints_in_any_order_and_repeatedly(self, data: st.DataObject) -> None:
        sent = [message.body for message in self.queues.sent]
        if sent:
            self.handle(*data.draw(st.lists(st.sampled_from(sent), min_size=1, max_size=6)))

    @rule()
    def lose_every_hint(self) -> None:
        self.queues.take()

    @rule(seconds=st.sampled_from([1, 31, 400]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        self.ledger.expire()
        self.ledger.announce(self.ledger.due(100))

    @precondition(lambda self: self.stale)
    @rule()
    def a_worker_thought_dead_comes_back(self) -> None:
        job = self.stale.pop()
        # It may still hold the lease (nobody was faster) and then it may complete, once.
        self.consumer._commit([(job, self.store(job))], _no_messages())

    @precondition(lambda self: JobState.FAILED in self.finished.values())
    @rule(data=st.data())
    def a_person_retries(self, data: st.DataObject) -> None:
        failed = sorted(n for n, state in self.finished.items() if state is JobState.FAILED)
        name = data.draw(st.sampled_from(failed))
        self.ledger.retry(self.rows()[name].id)
        del self.finished[name]

    # ---- what must hold ----

    @invariant()
    def what_is_done_has_its_outputs_once_and_what_is_not_has_none(self) -> None:
        stored = Counter(
            self.db.read(lambda tx: tx.execute(text("SELECT job FROM outputs")).scalars().all())
        )
        rows = self.rows()
        assert stored == Counter(n for n, job in rows.items() if job.state is JobState.DONE)
        done = {name for name in stored if not name.startswith("next:")}
        assert {n for n in rows if n.startswith("next:")} == {f"next:{name}" for name in done}

    @invariant()
    def what_is_finished_stays_so_and_nothing_is_lost(self) -> None:
        rows = self.rows()
        assert self.ever <= rows.keys()
        for name, state in self.finished.items():
            assert rows[name].state is state
        self.finished = {n: job.state for n, job in rows.items() if job.finished_at is not None}
        for job in rows.values():
            assert 0 <= job.attempts <= job.max_attempts
            assert (job.error is not None) or job.state is not JobState.FAILED
            assert (job.lease_token is not None) == (job.state is JobState.RUNNING)

    def drain(self) -> None:
        """The sweep alone, with every hint lost but its own, brings all to an end."""
        for name, what in self.plan.items():
            if what in ("postpone", "overtaken"):
                self.plan[name] = "done"
        for _ in range(60):
            self.clock.advance(1000)
            self.queues.take()
            self.sweep()
            for message in self.queues.take():
                self.handle(message.body)
            self.what_is_done_has_its_outputs_once_and_what_is_not_has_none()
            if all(job.finished_at for job in self.rows().values()):
                return
        raise AssertionError(f"never came to an end: {self.rows()}")


def _no_messages() -> Any:
    from hearth.ledger.consumer import _Batch

    return _Batch()


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    # Thousands of expected warnings would only slow the machine down.
    from hearth.logging import logger

    level = logger.log_level
    logger.setLevel("CRITICAL")
    yield
    logger.setLevel(level)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
