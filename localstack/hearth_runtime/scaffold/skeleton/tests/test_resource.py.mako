"""The resource of `${name}` through its routes${", on SQLite and on PostgreSQL" if not plugin else ""}."""

from __future__ import annotations

% if plugin:
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from ${package}.api import create_app
from ${package}.resource import ${constant}
from hearth import migrations
from hearth.db import Database
from hearth.ledger.ledger import Ledger
from hearth.principal import LOCAL_OWNER
from hearth.resource.service import ResourceService
from hearth.resource.table import create_missing


class MemoryQueues:
    """Takes job notifications and keeps none."""

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None:
        pass


def acting_as_owner(app: ASGIApp) -> ASGIApp:
    """The application as a program of the same machine sees it through the gateway."""

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        event = {"requestContext": {"authorizer": {"lambda": LOCAL_OWNER.context()}}}
        await app({**scope, "aws.event": event}, receive, send)

    return called


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    url = f"sqlite:///{tmp_path}/hearth.db"
    migrations.upgrade(url)
    db = Database(url)
    create_missing(db, ${constant})
    app = create_app(ResourceService(${constant}, Ledger(db, MemoryQueues())))
    yield TestClient(acting_as_owner(app))
    db.close()
% else:
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from ${package}.api import create_app
from ${package}.resource import ${constant}
from hearth.db import Database
from hearth.ledger.ledger import Ledger
from hearth.resource.service import ResourceService
from hearth.resource.table import schema_differences
from tests.support.callers import acting_as, caller
from tests.support.fakes import MemoryQueues


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:
    found = Database(migrated_url)
    yield found
    found.close()


@pytest.fixture
def client(db: Database) -> TestClient:
    app = create_app(ResourceService(${constant}, Ledger(db, MemoryQueues())))
    return TestClient(acting_as(app, caller("user")))


def test_the_migration_creates_the_declared_table(db: Database) -> None:
    assert db.read(lambda tx: schema_differences(tx, ${constant})) == []
% endif


def test_a_row_is_created_read_changed_and_deleted(client: TestClient) -> None:
    created = client.post("${path}", json={"name": "first"})
    assert created.status_code == 201, created.text
    where = created.headers["Location"]
    assert client.get(where).json()["name"] == "first"
    known = {"If-Match": created.headers["ETag"]}
    changed = client.patch(where, json={"done": True}, headers=known)
    assert changed.json()["done"] is True, changed.text
    assert [row["done"] for row in client.get("${path}").json()["items"]] == [True]
    assert client.delete(where).status_code == 200
    assert client.get(where).status_code == 404


def test_a_name_is_taken_once(client: TestClient) -> None:
    assert client.post("${path}", json={"name": "first"}).status_code == 201
    assert client.post("${path}", json={"name": "first"}).status_code == 409
