"""The OpenAPI document of `tasks` keeps its word: Schemathesis asks what it allows and forbids."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis

from functions.tasks.api import create_app
from hearth.db import Database
from tests.contract.tasks.harness import ANA, Harness
from tests.support.databases import migrated_sqlite
from tests.support.openapi_contract import Deferred, OpenApiContract, examples

SERVICE = Deferred()
CONTRACT = OpenApiContract(
    create_app(SERVICE),  # type: ignore[arg-type]
    lambda: ANA,
    # What no document can say of a text: whether a rule comes true, whether a cursor was given out,
    # whether fields fit together. All other checks are strict.
    accepted=("2xx", "400", "401", "403", "404", "409", "412"),
)


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A few tasks of somebody."""
    db = Database(migrated_sqlite(tmp_path_factory.mktemp("tasks") / "hearth.db"))
    harness = Harness(db)
    tasks = [harness.make(str(number), due_date="2026-12-01") for number in range(200)]
    CONTRACT.ids["task_id"] = [task["id"] for task in tasks[:100]]
    CONTRACT.ids["needs_id"] = [task["id"] for task in tasks[100:]]
    for task in tasks[:5]:
        harness.ask("POST", f"/{task['id']}/comments", {"text": "c"})
    SERVICE.service = harness.services
    yield
    db.close()


@CONTRACT.document().parametrize()
@examples(40)
def test_tasks_keeps_to_its_document(case: schemathesis.Case) -> None:
    CONTRACT.check(case)
