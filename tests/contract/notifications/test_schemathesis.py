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
from tests.support.openapi_contract import Deferred, OpenApiContract, examples, is_wrong

SERVICE = Deferred()
CONTRACT = OpenApiContract(create_app(SERVICE))  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One channel, and a violation that was sent on it."""
    db = Database(migrated_sqlite(tmp_path_factory.mktemp("notifications") / "hearth.db"))
    harness = Harness(db)
    harness.publish(harness.violation())
    SERVICE.service = harness.service
    first = harness.notifications()[0].id
    CONTRACT.ids["notification_id"] = [first]
    CONTRACT.cursor = lambda path: encode_cursor(first)
    yield
    db.close()


@CONTRACT.document().parametrize()
@examples(40)
def test_notifications_keeps_to_its_document(case: schemathesis.Case) -> None:
    wrong = is_wrong(case, ParameterLocation.BODY)
    if isinstance(case.body, dict) and "channel" in case.body and not wrong:
        case.body["channel"] = "a"  # no document can say which channels there are
    CONTRACT.check(case)
