"""The OpenAPI document of `notifications` keeps its word, under every check of Schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from starlette.types import Receive, Scope, Send

from functions.notifications.api import create_app
from hearth.db import Database
from hearth.paging import encode_cursor
from tests.contract.notifications.conftest import Harness
from tests.support.callers import acting_as, caller
from tests.support.databases import migrated_sqlite

load_all_checks()
SHOWN = {"Authorization": "Bearer token-of-an-administrator"}
IDS: dict[str, str] = {}


class Later:
    """Stands for the service when the document is read, before there is a database."""

    service: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


SERVICE = Later()
APP = create_app(SERVICE)  # type: ignore[arg-type]


async def behind_the_gateway(scope: Scope, receive: Receive, send: Send) -> None:
    shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
    known = shown == SHOWN["Authorization"]
    await acting_as(APP, caller() if known else None)(scope, receive, send)


def document_of() -> Any:
    config = SchemathesisConfig()
    config.projects.default.generation.update(deterministic=True)
    schema = schemathesis.openapi.from_dict(APP.openapi(), config=config)
    schema.app = behind_the_gateway
    return schema


document = document_of()


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One channel, and a violation that was sent on it."""
    url = migrated_sqlite(tmp_path_factory.mktemp("notifications") / "hearth.db")
    db = Database(url)
    harness = Harness(db)
    harness.publish(harness.violation())
    SERVICE.service = harness.service
    IDS["notification_id"] = harness.notifications()[0].id
    yield
    db.close()


@document.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_notifications_keeps_to_its_document(case: schemathesis.Case) -> None:
    wrong_path = case.meta is not None and case.meta.is_negative_at(ParameterLocation.PATH)
    for name, value in case.path_parameters.items():
        known = name in IDS and not wrong_path
        if known and isinstance(value, str) and sum(map(ord, value)) % 2:
            case.path_parameters[name] = IDS[name]
    cursor = case.query.get("cursor")
    if isinstance(cursor, str) and len(cursor) <= 2048:
        # No document can say which texts a list gave out.
        case.query["cursor"] = encode_cursor(IDS["notification_id"])
    wrong_body = case.meta is not None and case.meta.is_negative_at(ParameterLocation.BODY)
    if isinstance(case.body, dict) and "channel" in case.body and not wrong_body:
        case.body["channel"] = "a"  # nor which channels there are
    wrong_headers = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    case.call_and_validate(headers=None if wrong_headers else SHOWN)
