"""The OpenAPI document of `tasks` keeps its word: Schemathesis asks what it allows and forbids."""

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

from functions.tasks.api import create_app
from hearth.db import Database
from tests.contract.tasks.desk import ANA, Desk
from tests.support.callers import acting_as
from tests.support.databases import migrated_sqlite

load_all_checks()


class Later:
    """Stands for the service when the document is read, before there is a database."""

    service: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.service, name)


LATER = Later()
APP = create_app(LATER)  # type: ignore[arg-type]
TOKEN = "Bearer of-ana"
IDS: dict[str, list[str]] = {}


@pytest.fixture(scope="module", autouse=True)
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A few tasks of somebody."""
    url = migrated_sqlite(tmp_path_factory.mktemp("tasks") / "hearth.db")
    db = Database(url)
    desk = Desk(db)
    tasks = [desk.make(str(number), due_date="2026-12-01") for number in range(200)]
    IDS["task_id"] = [task["id"] for task in tasks[:100]]
    IDS["needs_id"] = [task["id"] for task in tasks[100:]]
    for task in tasks[:5]:
        desk.ask("POST", f"/{task['id']}/comments", {"text": "c"})
    LATER.service = desk.service
    yield
    db.close()


def schema() -> Any:
    config = SchemathesisConfig()
    config.projects.default.generation.update(deterministic=True)
    # What no document can say of a text: whether a rule comes true, whether a cursor was given out,
    # whether fields fit together. All other checks are strict.
    config.projects.default.checks.positive_data_acceptance.expected_statuses = [
        *("2xx", "400", "401", "403", "404", "409", "412")
    ]
    return schemathesis.openapi.from_asgi("/openapi.json", guarded, config=config)


async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
    """The API as Ana sees it who shows her token, and others without one."""
    shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode()
    await acting_as(APP, ANA if shown == TOKEN else None)(scope, receive, send)


@schema().parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_tasks_keeps_to_its_document(case: schemathesis.Case) -> None:
    # What is wrong on purpose stays wrong.
    wrong = {
        place
        for place in (ParameterLocation.PATH, ParameterLocation.HEADER)
        if case.meta is not None and case.meta.is_negative_at(place)
    }
    for name, value in case.path_parameters.items():
        known = name in IDS and ParameterLocation.PATH not in wrong
        if known and isinstance(value, str) and sum(map(ord, value)) % 4:
            case.path_parameters[name] = IDS[name][sum(map(ord, value)) % 100]
    case.call_and_validate(
        headers=None if ParameterLocation.HEADER in wrong else {"Authorization": TOKEN}
    )
