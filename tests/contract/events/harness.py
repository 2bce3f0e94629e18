"""All functions on one database: what one publishes, its subscribers get."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from functions.analytics.handler import make_handler as make_analytics
from functions.analytics.worker import QUEUE, EventWorker
from functions.jobs.api import create_app as create_jobs_app
from functions.jobs.repository import JobCounts
from functions.jobs.service import JobsService
from functions.notifications.channels import parse_channels
from functions.notifications.delivery import MessageDelivery
from functions.notifications.handler import make_handler as make_notifications
from functions.notifications.stored_channels import ChannelDirectory
from functions.notifications.worker import NotificationPlanner, Rules
from functions.reports.handler import make_handler as make_reports
from functions.tasks.handler import make_handler as make_tasks
from functions.tasks.service import TaskService
from functions.tasks.worker import TaskWorker
from hearth.db import Database
from hearth.declarations import SUBSCRIBERS, events_for
from hearth.http.app import lambda_handler_for
from hearth.ledger.consumer import Consumer
from hearth.ledger.events import Publisher
from hearth.ledger.ledger import Job, JobState, Ledger
from tests.contract.detection.harness import DetectionHarness, frame_jpeg, notification
from tests.contract.notifications.conftest import Recorder
from tests.contract.reports.conftest import Harness
from tests.support.callers import caller, request_context
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, MemoryStore, sqs_event
from tests.support.shared_app import SharedApp

UTC = ZoneInfo("UTC")
QUEUES = sorted({queue for queues in SUBSCRIBERS.values() for queue in queues})


class Post(Protocol):
    """The queues, from both ends."""

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None: ...
    def receive(self, queue: str) -> list[dict[str, Any]]:
        """Bodies that have come; they are gone then."""


class MemoryPost(MemoryQueues):
    def receive(self, queue: str) -> list[dict[str, Any]]:
        return [message.body for message in self.take(queue) if message.delay_s == 0]


@dataclass
class EventHarness:
    """Every subscriber, and the means to let them work."""

    db: Database
    post: Post = field(default_factory=MemoryPost)
    clock: Clock = field(default_factory=Clock)
    recorder: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self.ledger = self.ledger_of("harness")
        self.stage = DetectionHarness(self.db, clock=self.clock, subscribers=SUBSCRIBERS)
        self.stage.ledger = self.ledger_of("detection")
        # The same bucket, which may be out of reach for one and not for the other.
        bucket = self.stage.store
        store = MemoryStore(bucket.objects, bucket.content_types, bucket.times)
        self.reports = Harness(self.db, clock=self.clock, store=store, subscribers=SUBSCRIBERS)
        tasks = self.ledger_of("tasks")
        self.tasks = TaskService(tasks, UTC)
        channels = ChannelDirectory(parse_channels("http://localhost/a?name=a"), self.ledger)
        planner = NotificationPlanner(self.db, channels, Rules(), UTC, "Yard", self.clock)
        delivery = MessageDelivery(self.db, channels, {"webhook": self.recorder}.get, self.clock)
        self.functions: dict[str, Consumer] = {
            "analytics": make_analytics(self.ledger, EventWorker(self.clock), events_for(QUEUE)),
            "detection": self.stage.handler(),
            "notifications": make_notifications(self.ledger, planner, delivery),
            "reports": make_reports(
                self.ledger_of("reports"), self.reports.worker, self.reports.delivery
            ),
            "tasks": make_tasks(tasks, TaskWorker(self.tasks, self.clock)),
        }

    def ledger_of(self, source: str) -> Ledger:
        return Ledger(
            self.db,
            self.post,
            self.clock,
            jitter=lambda ceiling: ceiling,
            publisher=Publisher(source),
        )

    def walk(self) -> None:
        """One person walks where nobody may; then the camera's stream ends."""
        for n in range(25):
            self.stage.upload(n / 5, frame_jpeg(0 if n < 5 or n >= 20 else 1, 7))
        self.stage.end(4.8)
        keys, self.stage.announced = self.stage.announced, []
        for start in range(0, len(keys), 10):
            batch = [notification(key) for key in keys[start : start + 10]]
            self.functions["detection"](sqs_event(*batch), LambdaContext(60))

    def work(self, rng: random.Random | None = None) -> None:
        """Deliver what is on the queues until they are empty; `rng` shuffles and repeats it."""
        while True:
            waiting = [(queue, body) for queue in QUEUES for body in self.post.receive(queue)]
            if not waiting:
                return
            if rng is not None:
                waiting += rng.choices(waiting, k=len(waiting) // 2)
                rng.shuffle(waiting)
            for queue, body in waiting:
                event = sqs_event(body, queue=queue)
                answer = self.functions[queue](event, LambdaContext(60))
                assert answer == {"batchItemFailures": []}

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and let the sweep send what is due then."""
        self.clock.advance(seconds)
        self.ledger.announce(self.ledger.due(100))
        self.work()

    def jobs(self, kind: str) -> dict[str, Job]:
        """Queue → the job that carries the event."""
        return {job.queue: job for job in self.ledger.list(kind=kind, limit=100).jobs}

    def unfinished(self) -> list[Job]:
        return [
            job
            for state in (JobState.QUEUED, JobState.RUNNING, JobState.FAILED)
            for job in self.ledger.list(state, limit=100).jobs
        ]

    def retry(self, job: Job) -> int:
        """A person asks the jobs API to try a failed job again; its status."""
        service = JobsService(self.ledger, JobCounts(self.db), self.clock)
        event = load_event("jobs/http_api_retry", rawPath=f"/api/v1/jobs/{job.id}/retry")
        event["requestContext"]["http"]["path"] = event["rawPath"]
        event["requestContext"] |= request_context(caller("developer"))
        answer = lambda_handler_for(SharedApp(create_jobs_app, service))(event, LambdaContext())
        return int(answer["statusCode"])
