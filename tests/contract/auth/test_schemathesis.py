"""The OpenAPI document of `auth` keeps its word: Schemathesis asks what it allows and forbids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import schemathesis

from functions.auth import attempt_limits
from functions.auth.api import create_app
from hearth.db import Database
from hearth.http.auth import LOCAL_OWNER, Principal
from hearth.paging import encode_cursor
from tests.support.auth import ADMIN, PASSWORD, Harness
from tests.support.databases import migrated_sqlite
from tests.support.openapi_contract import Deferred, OpenApiContract, examples


def administrator() -> Principal:
    user_id = CONTRACT.ids.get("user_id", [""])[0]
    return replace(LOCAL_OWNER, id=user_id, kind="user", credential_id="none")


SERVICES = Deferred()
CONTRACT = OpenApiContract(
    create_app(SERVICES),  # type: ignore[arg-type]
    administrator,
    cursor=lambda path: encode_cursor(administrator().id),
)


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A site with an administrator and one of each thing."""
    db = Database(migrated_sqlite(tmp_path_factory.mktemp("auth") / "hearth.db"))
    harness = Harness(db)
    CONTRACT.ids["user_id"] = [harness.set_up()]
    admin = harness.log_in()["access_token"]
    CONTRACT.ids["key_id"] = [harness.key(admin)["id"]]
    invitation = harness.call("POST", "/invitations", {"email": "eve@example.org"}, token=admin)
    CONTRACT.ids["invitation_id"] = [invitation.body["id"]]
    SERVICES.service = harness.services
    yield
    db.close()


@pytest.fixture(autouse=True)
def _no_brute_force_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    """No document can say when a request comes too soon; test_guessing.py does."""
    monkeypatch.setattr(
        attempt_limits, "ACCOUNT_FROM_ADDRESS", attempt_limits.Rule(10**9, attempt_limits.KNOWN_FOR)
    )
    monkeypatch.setattr(
        attempt_limits, "ACCOUNT", attempt_limits.Rule(10**9, attempt_limits.KNOWN_FOR)
    )


@CONTRACT.document().parametrize()
@examples(40)
def test_auth_keeps_to_its_document(case: schemathesis.Case) -> None:
    body = case.body
    if isinstance(body, dict):
        for field in ("password", "new_password"):
            given = body.get(field)
            # No document can say which passwords are common.
            if isinstance(given, str) and 12 <= len(given) <= 128:
                body[field] = PASSWORD
        if body.get("email") == ADMIN:
            body["email"] = "other@example.org"
    CONTRACT.check(case)
