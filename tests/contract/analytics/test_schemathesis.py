"""The OpenAPI document of analytics keeps its word, whatever Schemathesis asks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import schemathesis

from functions.analytics.api import create_app
from hearth.db import Database
from tests.contract.analytics.conftest import Harness
from tests.support.databases import migrated_sqlite
from tests.support.openapi_contract import Deferred, OpenApiContract, examples

SERVICE = Deferred()
CONTRACT = OpenApiContract(create_app(SERVICE))


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Twenty errors of a morning, rolled up."""
    db = Database(migrated_sqlite(tmp_path_factory.mktemp("analytics") / "hearth.db"))
    harness = Harness(db)
    SERVICE.service = harness.service
    for n in range(20):
        harness.happen(
            f"e{n % 3}", f"2026-11-02T0{n % 7}:00:00Z", severity="error", service="tasks"
        )
    harness.roll_up()
    yield
    db.close()


def make_sensible(case: schemathesis.Case) -> None:
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


@CONTRACT.document().parametrize()
@examples(60)
def test_analytics_keeps_to_its_document(case: schemathesis.Case) -> None:
    make_sensible(case)
    CONTRACT.check(case)
