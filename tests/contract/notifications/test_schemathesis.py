"""The OpenAPI document of `notifications` keeps its word, under every check of Schemathesis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from functions.notifications.api import create_app
from hearth.db import Database
from hearth.paging import encode_cursor
from tests.contract.notifications.conftest import Harness
from tests.support.databases import migrated_sqlite
from tests.support.openapi_contract import (
    Deferred,
    OpenApiContract,
    examples,
    is_wrong,
    objects_of,
)

SERVICE = Deferred()
CONTRACT = OpenApiContract(
    create_app(SERVICE),  # type: ignore[arg-type]
    # 412: nor which version a channel has.
    accepted=("2xx", "3xx", "401", "403", "404", "409", "412"),
)


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One channel, and a violation that was sent on it."""
    db = Database(migrated_sqlite(tmp_path_factory.mktemp("notifications") / "hearth.db"))
    harness = Harness(db)
    harness.publish(harness.violation())
    SERVICE.service = harness.service
    first = harness.notifications()[0].id
    CONTRACT.ids["notification_id"] = [first]
    CONTRACT.cursor = lambda path: encode_cursor("2" if path.endswith("history") else first)
    stored = harness.directory.stored
    new = stored.models.create.model_validate({"name": "ops", "address": "https://example.org/"})
    CONTRACT.ids["row_id"] = [stored.create("ana", new)[0].id]  # type: ignore[attr-defined]
    yield
    db.close()


@CONTRACT.document().parametrize()
@examples(40)
def test_notifications_keeps_to_its_document(case: schemathesis.Case) -> None:
    wrong = is_wrong(case, ParameterLocation.BODY)
    if isinstance(case.body, dict) and not wrong:
        if "channel" in case.body:
            case.body["channel"] = "a"  # no document can say which channels there are
        for item in objects_of(case.body):
            if "address" in item:
                item["address"] = "https://example.org/"  # nor which addresses are ones
    CONTRACT.check(case)
