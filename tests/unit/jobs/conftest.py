from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from functions.jobs.api import create_app
from functions.jobs.repository import JobCounts
from functions.jobs.service import JobsService
from hearth.db import Database
from hearth.errors import InvalidInput
from hearth.http.app import lambda_handler_for
from hearth.ledger.ledger import Job, Ledger, NewJob, metadata
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext, MemoryQueues
from tests.support.shared_app import SharedApp

MINUTE = timedelta(minutes=1)


@dataclass
class Office:
    """The jobs API on a real ledger, called as API Gateway calls it."""

    ledger: Ledger
    queues: MemoryQueues
    clock: Clock
    handler: Callable[[dict[str, Any], Any], dict[str, Any]]

    def call(self, method: str, path: str, **query: str | int) -> tuple[int, Any]:
        """Status and decoded body of one request."""
        event = load_event("jobs/http_api_summary", rawPath=path, rawQueryString=urlencode(query))
        event["requestContext"]["http"] |= {"method": method, "path": path}
        return self.answer(event)

    def answer(self, event: dict[str, Any]) -> tuple[int, Any]:
        response = self.handler(event, LambdaContext())
        return response["statusCode"], json.loads(response["body"])

    def get(self, path: str = "", **query: str | int) -> Any:
        """The body of a GET below /api/v1/jobs, which must succeed."""
        status, body = self.call("GET", f"/api/v1/jobs{path}", **query)
        assert status == 200, body
        return body

    def add(self, dedupe_key: str, kind: str = "detection.frame") -> Job:
        job = NewJob(kind, "detection", dedupe_key, {"key": dedupe_key})
        return self.ledger.db.write(lambda tx: self.ledger.add(tx, [job]))[0]

    def start(self, dedupe_key: str, kind: str = "detection.frame") -> Job:
        (job,) = self.ledger.claim([self.add(dedupe_key, kind).id], [], MINUTE)
        return job

    def finish(self, dedupe_key: str, kind: str = "detection.frame") -> Job:
        job = self.start(dedupe_key, kind)
        self.ledger.db.write(lambda tx: self.ledger.complete(tx, job))
        return self.ledger.get(job.id)

    def fail(self, dedupe_key: str, kind: str = "detection.frame") -> Job:
        return self.ledger.fail(self.start(dedupe_key, kind), InvalidInput("no picture"))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    db = Database(f"sqlite:///{tmp_path}/hearth.db")
    metadata.create_all(db.engine)
    clock, queues = Clock(), MemoryQueues()
    ledger = Ledger(db, queues, now=clock)
    service = JobsService(ledger, JobCounts(db), clock)
    yield Office(ledger, queues, clock, lambda_handler_for(SharedApp(create_app, service)))
    db.close()
