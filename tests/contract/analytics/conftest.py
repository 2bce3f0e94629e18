from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from functions.analytics.api import create_app
from functions.analytics.handler import make_handler
from functions.analytics.health import HealthCheck
from functions.analytics.machine import Load
from functions.analytics.rollup import Rollup
from functions.analytics.service import AnalyticsService
from functions.analytics.worker import QUEUE, EventWorker
from hearth.cloudwatch import FunctionFigures
from hearth.db import Database
from hearth.http.app import lambda_handler_for
from hearth.http.auth import Principal, Role
from hearth.ledger.events import Event, Publisher
from hearth.ledger.ledger import Job, Ledger
from hearth.ledger.queues import QueueDepth
from tests.support.callers import caller, request_context
from tests.support.databases import migrated_sqlite
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, sqs_event
from tests.support.shared_app import SharedApp

EVENT_TYPES = (
    "safety.violation.detected",
    "safety.report.ready",
    "task.created",
    "task.updated",
    "task.completed",
    "task.reopened",
    "task.deleted",
    "task.due",
)
FOREVER = timedelta(days=30)


@dataclass
class Figures:
    """Stands for CloudWatch, SQS and the machine."""

    of: dict[str, FunctionFigures] = field(default_factory=dict)
    queues: dict[str, QueueDepth | None] = field(default_factory=dict)
    in_use: Load = field(default_factory=lambda: Load(5.0, 40.0, 60.0))
    error: Exception | None = None
    asked: int = 0

    def functions(
        self, names: Sequence[str], begins: datetime, ends: datetime
    ) -> Mapping[str, FunctionFigures]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {name: self.of.get(name, FunctionFigures()) for name in names}

    def depths(self) -> Mapping[str, QueueDepth | None]:
        return self.queues

    def load(self) -> Load:
        return self.in_use


class Harness:
    """Analytics on a real database, called as API Gateway, SQS and the scheduler call it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = Clock()
        self.queues = MemoryQueues()
        self.ledger = Ledger(db, self.queues, now=self.clock)
        self.figures = Figures()
        self.seconds = 0.0
        health = HealthCheck(
            db,
            lambda: self.figures,
            lambda: self.figures,
            self.figures,
            ("hearth-tasks", "hearth-sweep"),
            self.clock,
            lambda: self.seconds,
        )
        self.service = AnalyticsService(db, "Europe/Berlin", health.check, self.clock)
        self.app = SharedApp(create_app, self.service)
        self.rollup = Rollup(db, FOREVER, self.clock)
        self.publisher = Publisher("tasks", dict.fromkeys(EVENT_TYPES, (QUEUE,)))
        self.consumer = make_handler(self.ledger, EventWorker(self.clock), EVENT_TYPES)
        self._handler: Callable[[dict[str, Any], Any], dict[str, Any]] = lambda_handler_for(
            self.app
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        principal: Principal | None = caller(Role.DEVELOPER),  # noqa: B008
        **query: Any,
    ) -> tuple[int, Any]:
        """Status and decoded body of one request; `body` is JSON, or a text as it is."""
        event = load_event(
            "analytics/http_api_record",
            rawPath=f"/api/v1/analytics{path}",
            rawQueryString=urlencode(query, doseq=True),
        )
        event["body"] = body if isinstance(body, str | None) else json.dumps(body)
        event["requestContext"]["http"] |= {"method": method, "path": event["rawPath"]}
        event["requestContext"] |= {"authorizer": {}} | request_context(principal)
        answer = self._handler(event, LambdaContext())
        return answer["statusCode"], json.loads(answer["body"])

    def get(self, path: str, **query: Any) -> Any:
        status, body = self.call("GET", path, **query)
        assert status == 200, body
        return body

    def record(self, *events: dict[str, Any]) -> list[str]:
        status, body = self.call("POST", "/events", {"events": list(events)})
        assert status == 201, body
        ids: list[str] = body["event_ids"]
        return ids

    def happen(self, event_type: str, at: str, **more: Any) -> list[str]:
        return self.record({"event_type": event_type, "timestamp": at, **more})

    def usage(self, **query: Any) -> dict[str, int]:
        """Timestamp → count, zeros left out."""
        points = self.get("/usage", **query)["usage"]
        return {point["timestamp"]: point["count"] for point in points if point["count"]}

    def publish(self, *events: Event) -> list[Job]:
        jobs = self.db.write(lambda tx: self.ledger.add(tx, self.publisher.jobs(*events)))
        self.ledger.announce(jobs)
        return jobs

    def deliver(self, *bodies: str) -> dict[str, Any]:
        """Hand everything that waits in the queue to the consumer, and `bodies` after it."""
        hints = [message.body for message in self.queues.take(QUEUE)]
        return self.consumer(sqs_event(*hints, *bodies, queue=QUEUE), LambdaContext())

    def roll_up(self) -> None:
        self.rollup.run(lambda: 60.0)


@pytest.fixture
def harness(migrated_url: str) -> Iterator[Harness]:
    db = Database(migrated_url)
    yield Harness(db)
    db.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Harness]:
    """On SQLite alone: for what is refused before any database is asked."""
    url = migrated_sqlite(tmp_path / "home.db")
    db = Database(url)
    yield Harness(db)
    db.close()


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)
