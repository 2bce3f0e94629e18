"""The OpenAPI document of analytics keeps its word, whatever Schemathesis asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from starlette.types import Receive, Scope, Send

from functions.analytics.api import create_app
from hearth.db import Database
from tests.contract.analytics.conftest import Desk
from tests.support.callers import acting_as, caller
from tests.support.databases import migrated_sqlite

load_all_checks()


class Later:
    """Stands for the service when the document is read, before there is a database."""

    service: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


SERVICE = Later()
APP = create_app(SERVICE)


SHOWN = {"Authorization": "Bearer token-of-an-administrator"}


async def behind_the_gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """As the gateway with its authorizer shows it: one token is known, and nobody else."""
    shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
    known = shown == SHOWN["Authorization"]
    await acting_as(APP, caller() if known else None)(scope, receive, send)


def document() -> Any:
    config = SchemathesisConfig()
    config.projects.default.generation.update(deterministic=True)
    found = schemathesis.openapi.from_dict(APP.openapi(), config=config)
    found.app = behind_the_gateway
    return found


schema = document()


@pytest.fixture(scope="module", autouse=True)
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    url = migrated_sqlite(tmp_path_factory.mktemp("http") / "hearth.db")
    db = Database(url)
    desk = Desk(db)
    SERVICE.service = desk.service
    for n in range(20):
        desk.happen(f"e{n % 3}", f"2026-11-02T0{n % 7}:00:00Z", severity="error", service="tasks")
    desk.roll_up()
    yield
    db.close()


def sensible(case: schemathesis.Case) -> None:
    """Put a date, a zone and a time that exist where the document can only ask for a text."""
    for name, value in case.query.items():
        if isinstance(value, str) and re.fullmatch("[^\x00]+", value):
            if name == "timezone" and len(value) <= 64:
                case.query[name] = ("UTC", "Europe/Berlin", "Asia/Kathmandu")[len(value) % 3]
            elif name in ("start_date", "end_date") and 10 <= len(value) <= 40:
                case.query[name] = "2026-10-30" if name == "start_date" else "2026-11-02"
    if {"start_date", "end_date"} & set(case.query) and case.query.get("granularity") == "hour":
        case.query["start_date"] = "2026-10-30"
    body = case.body if isinstance(case.body, dict) else {}
    batch = body.get("events")
    for event in [body, *(batch if isinstance(batch, list) else [])]:
        if isinstance(event, dict) and isinstance(event.get("timestamp"), str):
            event["timestamp"] = "2026-11-02T07:00:00Z"
        if isinstance(event, dict) and isinstance(event.get("metadata"), dict):
            event["metadata"] = {"n": len(event["metadata"])}


@schema.parametrize()
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_analytics_keeps_to_its_document(case: schemathesis.Case) -> None:
    sensible(case)
    wrong_headers = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    case.call_and_validate(headers=None if wrong_headers else SHOWN)
