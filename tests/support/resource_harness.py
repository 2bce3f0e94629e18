"""A resource on a real database, as callers see it over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from hearth.db import Database
from hearth.http.app import Router, create_app
from hearth.http.auth import Principal, Role
from hearth.ledger.events import Publisher
from hearth.ledger.ledger import Ledger
from hearth.resource.declaration import Resource
from hearth.resource.routes import resource_routes
from hearth.resource.service import ResourceService
from hearth.resource.table import table_of
from tests.support.callers import ask, caller
from tests.support.fakes import Clock, MemoryQueues
from tests.support.resources import GADGETS, prepare

ANA = caller(Role.USER, "01J0000000000000000000ANA0")
BEN = caller(Role.USER, "01J0000000000000000000BEN0")
GUEST = caller(Role.GUEST, "01J000000000000000000GVEST")
NOWHERE = "01J00000000000000000000000"
EVENTS = {f"gadget.{what}": ("analytics",) for what in ("created", "updated", "deleted")}


class ResourceHarness:
    """A resource on a real database, as callers see it."""

    def __init__(self, db: Database, resource: Resource = GADGETS) -> None:
        db.write(table_of(resource).metadata.create_all)
        self.db = db
        self.clock = Clock()
        publisher = Publisher("core", EVENTS)
        self.ledger = Ledger(db, MemoryQueues(), now=self.clock, publisher=publisher)
        self.service = ResourceService(resource, self.ledger, prepare)
        router = Router()
        router.include_router(resource_routes(resource, lambda: self.service))
        self.app = create_app("Gadgets", router)

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
        target = f"/api/v1/gadgets{path}"
        return ask(
            self.app, method, target, body, who=who, headers=headers, content=content, query=query
        )

    def make(self, name: str = "Lamp", **fields: Any) -> Any:
        answer = self.ask("POST", "", {"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def names(self, **query: Any) -> list[str]:
        answer = self.ask("GET", **query)
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json()["items"]]

    def events(self, action: str) -> list[dict[str, Any]]:
        jobs = self.ledger.list(kind=f"gadget.{action}", limit=100).jobs
        return [job.payload["data"] for job in reversed(jobs)]
