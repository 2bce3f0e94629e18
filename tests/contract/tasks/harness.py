"""Tasks on a real database, as several people see them through the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import select

from functions.tasks.api import create_app
from functions.tasks.handler import make_handler
from functions.tasks.wiring import build_services
from functions.tasks.worker import TaskWorker
from hearth.db import Database
from hearth.http.auth import Principal, Role
from hearth.ledger.events import Event, Publisher
from hearth.ledger.ledger import Job, JobState, Ledger, jobs_table
from tests.support.callers import ask, caller
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, sqs_event
from tests.support.shared_app import SharedApp

SUBSCRIBERS = {
    "safety.report.ready": ("tasks",),
    "task.created": ("reports", "analytics"),
    "task.updated": ("analytics",),
    "task.completed": ("detection", "analytics"),
    "task.reopened": ("detection", "analytics"),
    "task.deleted": ("analytics",),
    "task.due": ("notifications",),
    "task.imported": ("notifications",),
}
ANA = caller(Role.USER, "01J0000000000000000000ANA0")
BEN = caller(Role.USER, "01J0000000000000000000BEN0")
BOSS = caller(Role.DEVELOPER, "01J0000000000000000000B0SS")
GUEST = caller(Role.GUEST, "01J000000000000000000GVEST")


class Harness:
    """The API and the queue function of `tasks` on one database."""

    def __init__(self, db: Database, zone: str = "UTC") -> None:
        self.db = db
        self.clock = Clock()
        self.queues = MemoryQueues()
        publisher = Publisher("tasks", SUBSCRIBERS)
        self.ledger = Ledger(db, self.queues, now=self.clock, publisher=publisher)
        self.services = build_services(self.ledger, ZoneInfo(zone), self.clock)
        self.app = SharedApp(create_app, self.services)
        self.handler = make_handler(self.ledger, TaskWorker(self.services.tasks, self.clock))

    def ask(
        self,
        method: str,
        path: str = "",
        body: Any = None,
        *,
        who: Principal | None = ANA,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        **query: Any,
    ) -> httpx.Response:
        """One request below /api/v1/tasks."""
        target = f"/api/v1/tasks{path}"
        return ask(
            self.app, method, target, body, who=who, headers=headers, content=content, query=query
        )

    def make(self, title: str = "Sweep the yard", who: Principal = ANA, **fields: Any) -> Any:
        """A new task, which must succeed."""
        answer = self.ask("POST", "", {"title": title, **fields}, who=who)
        assert answer.status_code == 201, answer.text
        return answer.json()["task"]

    def get(self, task_id: str, who: Principal = ANA) -> Any:
        answer = self.ask("GET", f"/{task_id}", who=who)
        assert answer.status_code == 200, answer.text
        return answer.json()["task"]

    def list(self, who: Principal = ANA, **query: Any) -> Any:
        answer = self.ask("GET", who=who, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def titles(self, who: Principal = ANA, **query: Any) -> list[str]:
        return [task["title"] for task in self.list(who, **query)["tasks"]]

    def jobs(self, kind: str | None = None) -> list[Job]:
        """What the ledger holds, oldest first."""
        return sorted(self.ledger.list(kind=kind, limit=100).jobs, key=lambda job: job.id)

    def events(self, kind: str, queue: str | None = None) -> list[dict[str, Any]]:
        """Data of the events of one type, once each."""
        found = {
            job.payload["id"]: job.payload["data"]
            for job in self.jobs(kind)
            if queue in (None, job.queue)
        }
        return list(found.values())

    def report_ready(self, name: str, **data: Any) -> list[Job]:
        """What `reports` adds when a report is ready."""
        event = Event(
            "safety.report.ready",
            name,
            self.clock(),
            name,
            {
                "report_id": name,
                "incident_id": f"incident-{name}",
                "camera_id": "gate",
                "zone": "yard",
                "classes": ["no_helmet"],
                "first_seen": "2026-11-02T07:00:00Z",
                "last_seen": "2026-11-02T07:10:00Z",
                "summary": "One person without a helmet.",
                "corrective_actions": ["Hand out helmets", "Put up a sign"],
                "pdf_key": "reports/x.pdf",
                "site_name": "Main Site",
                "continuations": 0,
                "review": None,
            }
            | data,
        )
        jobs = Publisher("reports", SUBSCRIBERS).jobs(event)
        return self.db.write(lambda tx: self.ledger.add(tx, jobs))

    def deliver(self, *jobs: Job) -> dict[str, Any]:
        """Hints for jobs, as the queue brings them."""
        hints = [{"job_id": job.id, "kind": job.kind} for job in jobs]
        return self.handler(sqs_event(*hints, queue="tasks"), LambdaContext())

    def work(self) -> None:
        """Do what is due on the queue."""
        due = self.db.read(
            lambda tx: tx.execute(
                select(jobs_table.c.id, jobs_table.c.kind).where(
                    jobs_table.c.queue == "tasks", jobs_table.c.state == JobState.QUEUED
                )
            ).all()
        )
        hints = [{"job_id": row.id, "kind": row.kind} for row in due]
        if hints:
            self.handler(sqs_event(*hints, queue="tasks"), LambdaContext())
