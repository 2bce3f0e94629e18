from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.notifications.channels import Channel, Kind, parse_channels
from functions.notifications.delivery import MessageDelivery
from functions.notifications.handler import make_handler
from functions.notifications.schemas import NotificationOut, NotificationQuery
from functions.notifications.senders import Message, Sender
from functions.notifications.service import NotificationService
from functions.notifications.stored_channels import ChannelDirectory
from functions.notifications.worker import NotificationPlanner, Rules
from hearth.db import Database
from hearth.ledger.events import Event, Publisher
from hearth.ledger.ledger import Job, JobState, Ledger
from tests.support.callers import caller
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, sqs_event
from tests.support.report_events import payload

BERLIN = ZoneInfo("Europe/Berlin")
TASK = "01KASVZEBRY4C1W9T6P0X2K8T1"
INCIDENT = "01KASVZEBRY4C1W9T6P0X2K8MD"
ALICE, BOB = "01KASVZEBRY4C1W9T6P0X2K8A1", "01KASVZEBRY4C1W9T6P0X2K8B1"


@dataclass
class Recorder:
    """A sender that records its messages, or raises the errors set for a channel."""

    sent: list[tuple[str, Message]] = field(default_factory=list)
    errors: dict[str, list[Exception]] = field(default_factory=dict)

    def send(self, channel: Channel, message: Message) -> str:
        if self.errors.get(channel.name):
            raise self.errors[channel.name].pop(0)
        self.sent.append((channel.name, message))
        return "taken"

    def titles(self, channel: str = "a") -> list[str]:
        return [message.content.title for name, message in self.sent if name == channel]


@dataclass
class Harness:
    """Notifications on a real database, with fake queues, clock and (by default) senders."""

    db: Database
    addresses: str = "http://localhost/a?name=a"
    rules: Rules = field(default_factory=Rules)
    senders: dict[Kind, Sender] | None = None
    clock: Clock = field(default_factory=Clock)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    recorder: Recorder = field(default_factory=Recorder)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.db, self.queues, now=self.clock, jitter=lambda ceiling: ceiling)

    @property
    def channels(self) -> tuple[Channel, ...]:
        return parse_channels(self.addresses)

    @property
    def directory(self) -> ChannelDirectory:
        return ChannelDirectory(self.channels, self.ledger)

    @property
    def service(self) -> NotificationService:
        return NotificationService(self.ledger, self.directory, self.clock)

    def deliver(self, *bodies: Any, remaining_s: float = 60) -> dict[str, Any]:
        """Invoke the function with these messages."""
        kinds: tuple[Kind, ...] = ("mail", "mqtt", "slack", "discord", "webhook")
        senders = self.senders or dict.fromkeys(kinds, self.recorder)
        planner = NotificationPlanner(
            self.db, self.directory, self.rules, BERLIN, "Yard", self.clock
        )
        delivery = MessageDelivery(self.db, self.directory, senders.get, self.clock)
        handler = make_handler(self.ledger, planner, delivery)
        event = sqs_event(*bodies, queue="notifications")
        return handler(event, LambdaContext(remaining_s))

    def run(self, rounds: int = 5) -> None:
        """Deliver the queued job notifications, one batch a round, until there are none."""
        for _ in range(rounds):
            queued = [m.body for m in self.queues.take("notifications") if m.delay_s == 0]
            if not queued:
                return
            assert self.deliver(*queued) == {"batchItemFailures": []}

    def pass_time(self, seconds: float) -> None:
        """Advance the clock and announce the jobs that are due, as the sweep does."""
        self.clock.advance(seconds)
        self.queues.take()
        self.ledger.announce(self.ledger.due(100))
        self.run()

    def publish(self, *events: Event, run: bool = True) -> list[Job]:
        """Publish events, as their producers do."""
        new = [
            job
            for event in events
            for job in Publisher("x", {event.type: ["notifications"]}).jobs(event)
        ]
        jobs = self.db.write(lambda tx: self.ledger.add(tx, new))
        self.ledger.announce(jobs)
        if run:
            self.run()
        return jobs

    def notifications(self) -> list[NotificationOut]:
        """All notifications, newest event first, as an administrator sees them."""
        return self.service.queries.list(
            NotificationQuery(limit=100, cursor=None), caller()
        ).notifications

    def states(self) -> list[str]:
        """The states of all deliveries, oldest event first."""
        return [one.state for found in reversed(self.notifications()) for one in found.deliveries]

    def jobs(self, kind: str) -> list[Job]:
        return self.ledger.list(kind=kind, limit=100).jobs[::-1]

    def unfinished(self) -> list[Job]:
        return [
            job
            for state in (JobState.QUEUED, JobState.RUNNING)
            for job in self.ledger.list(state, limit=100).jobs
        ]

    # ---- events ----

    def violation(self, camera: str = "gate", revision: int = 1, **changes: Any) -> Event:
        """By default of the camera `gate`, without helmet and vest."""
        data = payload(camera_id=camera, revision=revision, **changes)
        return Event(
            "safety.violation.detected",
            f"{data['incident_id']}:{revision}",
            self.clock(),
            data["incident_id"],
            data,
            version=2,
        )

    def started(self, camera: str = "gate", **changes: Any) -> Event:
        """The same incident as it begins, with an image whose faces are blurred."""
        data = payload(camera_id=camera)
        data["evidence"]["key"] = f"evidence/alerts/{data['incident_id']}.started.jpg"
        data |= changes
        return Event("safety.violation.started", data["incident_id"], self.clock(), "x", data)

    def ended(self, camera: str = "gate", **changes: Any) -> Event:
        data = payload(camera_id=camera, **changes)
        event_id = f"{data['incident_id']}:1"
        return Event("safety.violation.ended", event_id, self.clock(), "x", data)

    def report(self, camera: str = "gate", **changes: Any) -> Event:
        data = {
            "report_id": INCIDENT,
            "incident_id": INCIDENT,
            "camera_id": camera,
            "zone": None,
            "classes": ["no_helmet", "no_vest"],
            "first_seen": "2026-11-02T07:29:00.000000Z",
            "last_seen": "2026-11-02T07:29:30.000000Z",
            "summary": "One person without a helmet.",
            "corrective_actions": ["Hand out helmets."],
            "pdf_key": f"reports/{INCIDENT}.pdf",
            "site_name": "Yard",
        } | changes
        return Event("safety.report.ready", f"{data['report_id']}:1", self.clock(), INCIDENT, data)

    def created(self, task_id: str = TASK, **changes: Any) -> Event:
        data = {
            "task_id": task_id,
            "title": "Hand out helmets",
            "description": "All of them",
            "priority": "high",
            "category": "safety",
            "status": "pending",
            "created_by": ALICE,
            "assignee": BOB,
            "due_at": "2026-11-03T07:30:00Z",
            "source": None,
            "created_at": "2026-11-02T07:30:00Z",
        } | changes
        return Event("task.created", task_id, self.clock(), task_id, data)

    def due(self, task_id: str = TASK, reminder: str = "1", at: datetime | None = None) -> Event:
        data = {
            "task_id": task_id,
            "title": "Hand out helmets",
            "assignee": BOB,
            "due_at": "2026-11-03T07:30:00Z",
            "reminder": reminder,
        }
        return Event("task.due", f"{task_id}:{reminder}", at or self.clock(), task_id, data)

    def completed(self, task_id: str = TASK, **changes: Any) -> Event:
        data = {
            "task_id": task_id,
            "title": "Hand out helmets",
            "completed_by": BOB,
            "completed_at": "2026-11-02T08:30:00Z",
            "seconds_open": 3600,
            "close_incident": True,
            "source": {"type": "report", "report_id": INCIDENT, "incident_id": INCIDENT},
        } | changes
        return Event("task.completed", f"{task_id}:2", self.clock(), task_id, data)


@pytest.fixture
def harness(migrated_url: str) -> Iterator[Harness]:
    db = Database(migrated_url)
    yield Harness(db)
    db.close()
