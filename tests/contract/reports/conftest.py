from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.reports.email_content import MailPolicy
from functions.reports.email_delivery import EmailDelivery, Mailer
from functions.reports.handler import make_handler
from functions.reports.worker import ReportWorker
from functions.reports.writer import NarrativeWriter
from hearth.db import Database
from hearth.ledger.events import Publisher
from hearth.ledger.ledger import Job, JobState, Ledger, NewJob
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, MemoryStore, sqs_event
from tests.support.report_events import BUCKET, EVIDENCE_KEY, jpeg, payload, violation_job

BERLIN = ZoneInfo("Europe/Berlin")
SUBSCRIBERS = {"safety.report.ready": ["tasks", "analytics"]}
POLICY = MailPolicy("hearth@example.org", ("a@example.org", "b@example.org"))


@dataclass
class Harness:
    """The queue function on a real database, with a fake bucket, queue and clock."""

    db: Database
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(default_factory=lambda: MemoryStore({EVIDENCE_KEY: jpeg()}))
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    policy: MailPolicy | None = None
    mailer: Mailer | None = None
    writer: NarrativeWriter = field(default_factory=lambda: NarrativeWriter(BERLIN))
    subscribers: Mapping[str, Sequence[str]] = field(default_factory=lambda: SUBSCRIBERS)

    @property
    def ledger(self) -> Ledger:
        return Ledger(
            self.db,
            self.queues,
            now=self.clock,
            jitter=lambda ceiling: ceiling,
            publisher=Publisher("reports", self.subscribers),
        )

    @property
    def worker(self) -> ReportWorker:
        return ReportWorker(
            self.db,
            self.store,
            BUCKET,
            BERLIN,
            self.writer,
            self.policy,
            self.clock,
        )

    @property
    def delivery(self) -> EmailDelivery:
        return EmailDelivery(self.db, self.store, BERLIN, self.policy, self.mailer, self.clock)

    def deliver(self, *bodies: Any) -> dict[str, Any]:
        """Invoke the function with these messages."""
        handler = make_handler(self.ledger, self.worker, self.delivery)
        return handler(sqs_event(*bodies, queue="reports"), LambdaContext())

    def run(self, rounds: int = 5) -> None:
        """Deliver what is on the queue until it is empty."""
        for _ in range(rounds):
            queued = [m.body for m in self.queues.take("reports") if m.delay_s == 0]
            if not queued:
                return
            assert self.deliver(*queued) == {"batchItemFailures": []}

    def add(self, **changes: Any) -> Job:
        """Add and announce the job of an event, as detection does."""
        return self.put(violation_job(payload(**changes)))

    def put(self, new: NewJob) -> Job:
        """Add and announce a job, as its producer does."""
        (job,) = self.db.write(lambda tx: self.ledger.add(tx, [new]))
        self.ledger.announce([job])
        return job

    def jobs(self, kind: str) -> list[Job]:
        """Jobs of one kind, oldest first."""
        return self.ledger.list(kind=kind, limit=100).jobs[::-1]

    def states(self, kind: str) -> list[JobState]:
        return [job.state for job in self.jobs(kind)]


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.close()


@pytest.fixture
def harness(db: Database) -> Harness:
    return Harness(db)


@pytest.fixture
def read(db: Database) -> Callable[..., Any]:
    """Call a repository function in a read transaction: `read(get_report, report_id)`."""
    return lambda fn, *args, **named: db.read(lambda tx: fn(tx, *args, **named))
