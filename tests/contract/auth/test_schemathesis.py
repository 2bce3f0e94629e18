"""The OpenAPI document of `auth` keeps its word: Schemathesis asks what it allows and forbids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from starlette.types import Receive, Scope, Send

from functions.auth import limits
from functions.auth.api import create_app
from hearth.db import Database
from hearth.http.auth import LOCAL_OWNER
from hearth.paging import encode_cursor
from tests.support.auth import ADMIN, PASSWORD, Porter
from tests.support.callers import acting_as
from tests.support.databases import migrated_sqlite

load_all_checks()

SHOWN = {"Authorization": "Bearer token-of-an-administrator"}
IDS: dict[str, str] = {}
NUMBERS = count()


class Later:
    """Stands for the services when the document is read, before there is a database."""

    services: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.services, name)


SERVICES = Later()
APP = create_app(SERVICES)  # type: ignore[arg-type]


async def behind_the_gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """One token is known to the authorizer, and nobody else; each request is of another address."""
    shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
    user = replace(LOCAL_OWNER, id=IDS.get("user_id", ""), kind="user", credential_id="none")
    number = next(NUMBERS)
    address = f"192.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    await acting_as(APP, user if shown == SHOWN["Authorization"] else None)(
        {**scope, "client": (address, 0)}, receive, send
    )


config = SchemathesisConfig()
config.projects.default.generation.update(deterministic=True)
document = schemathesis.openapi.from_asgi("/openapi.json", behind_the_gateway, config=config)


@pytest.fixture(scope="module", autouse=True)
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A site with an administrator and one of each thing."""
    url = migrated_sqlite(tmp_path_factory.mktemp("auth") / "hearth.db")
    db = Database(url)
    porter = Porter(db)
    IDS["user_id"] = porter.set_up()
    admin = porter.log_in()["access_token"]
    IDS["key_id"] = porter.key(admin)["id"]
    invitation = porter.call("POST", "/invitations", {"email": "eve@example.org"}, token=admin)
    IDS["invitation_id"] = invitation.body["id"]
    SERVICES.services = porter.services
    yield
    db.close()


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No document can say when it is too soon; test_guessing.py does."""
    monkeypatch.setattr(limits, "ACCOUNT_FROM_ADDRESS", limits.Rule(10**9, limits.KNOWN_FOR))
    monkeypatch.setattr(limits, "ACCOUNT", limits.Rule(10**9, limits.KNOWN_FOR))


@document.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_auth_keeps_to_its_document(case: schemathesis.Case) -> None:
    wrong_path = case.meta is not None and case.meta.is_negative_at(ParameterLocation.PATH)
    for name, value in case.path_parameters.items():
        known = name in IDS and not wrong_path
        if known and isinstance(value, str) and sum(map(ord, value)) % 2:
            case.path_parameters[name] = IDS[name]
    cursor = case.query.get("cursor")
    if isinstance(cursor, str) and len(cursor) <= 2048:
        # No document can say which texts a list gave out.
        case.query["cursor"] = encode_cursor(IDS["user_id"])
    body = case.body
    if isinstance(body, dict):
        for field in ("password", "new_password"):
            given = body.get(field)
            # Nor which passwords are common.
            if isinstance(given, str) and 12 <= len(given) <= 128:
                body[field] = PASSWORD
        if body.get("email") == ADMIN:
            body["email"] = "other@example.org"
    wrong_headers = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    case.call_and_validate(headers=None if wrong_headers else SHOWN)
