"""Whom the authorizer lets in: every kind of bad token, revocation, and keys, on both engines."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from functions.auth.handler import Unauthorized
from functions.auth.keyring import CACHE_S
from functions.auth.secret_text import new_secret
from hearth.db import Database
from hearth.errors import Unavailable
from hearth.http.auth import PERMISSIONS, Role, principal_of
from hearth.ids import utc_now
from tests.support.auth import PASSWORD, Harness
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext

HOUR = 3600


def signing_key(harness: Harness) -> tuple[str, bytes]:
    """(kid, secret) of the key that signs."""
    query = "SELECT kid, secret FROM auth_signing_keys WHERE retired_at IS NULL"
    kid, secret = harness.db.read(lambda tx: tx.exec_driver_sql(query).one())
    return kid, base64.b64decode(secret)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def part(value: Any) -> str:
    return encoded(json.dumps(value))


def test_the_recorded_requests_are_refused(harness: Harness) -> None:
    harness.administrator()
    for case in ("request", "alg_none", "basic_scheme"):
        with pytest.raises(Unauthorized, match=r"\AUnauthorized\Z"):
            harness.authorizer(load_event(f"authorizer/http_api_{case}"), LambdaContext())


def test_a_header_that_is_not_a_bearer_credential_is_refused(harness: Harness) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Token abc", "hk_x"):
        with pytest.raises(Unauthorized):
            harness.authorize(header)


def test_a_request_without_identity_is_refused(harness: Harness) -> None:
    event = load_event("authorizer/http_api_request")
    for missing in ([], None):
        with pytest.raises(Unauthorized):
            harness.authorizer(event | {"identitySource": missing}, LambdaContext())


CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": utc_now() - timedelta(minutes=1)},
    "for another audience": {"aud": "another-api"},
    "of another issuer": {"iss": "https://example.org"},
    "of another user's session": {"sub": "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"},
    "of a session that never was": {"sid": "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"},
    "without an end": {"exp": None},
    "without an audience": {"aud": None},
    "without a session": {"sid": None},
}


def test_a_token_with_an_invalid_claim_is_refused_though_our_key_signed_it(
    harness: Harness,
) -> None:
    token = harness.administrator()
    kid, secret = signing_key(harness)

    def known(**changes: Any) -> bool:
        claims = {**claims_of(token), **changes}
        kept = {name: value for name, value in claims.items() if value is not None}
        return harness.knows(jwt.encode(kept, secret, "HS256", headers={"kid": kid}))

    assert known()
    assert {name: known(**changes) for name, changes in CLAIMS.items()} == dict.fromkeys(
        CLAIMS, False
    )


def test_a_token_is_valid_though_the_clock_was_set_back_since_it_was_issued(
    harness: Harness,
) -> None:
    token = harness.administrator()
    kid, secret = signing_key(harness)
    times = dict.fromkeys(("iat", "nbf"), utc_now() + timedelta(days=1))
    claims = claims_of(token) | times
    assert harness.knows(jwt.encode(claims, secret, "HS256", headers={"kid": kid}))


def test_a_token_with_another_key_or_algorithm_is_refused(harness: Harness) -> None:
    token = harness.administrator()
    kid, secret = signing_key(harness)
    claims = claims_of(token)
    body, signature = token.split(".")[1:]
    forged = {
        "no algorithm": f"{part({'alg': 'none', 'kid': kid})}.{part(claims)}.",
        "None": f"{part({'alg': 'None', 'kid': kid})}.{part(claims)}.",
        "no algorithm, old signature": f"{part({'alg': 'none', 'kid': kid})}.{body}.{signature}",
        "another key": jwt.encode(claims, b"x" * 32, "HS256", headers={"kid": kid}),
        "an unknown kid": jwt.encode(claims, secret, "HS256", headers={"kid": "another"}),
        "no kid": jwt.encode(claims, secret, "HS256"),
        "another algorithm": jwt.encode(claims, secret * 2, "HS512", headers={"kid": kid}),
        "another body": f"{token.split('.')[0]}.{part({**claims, 'roles': ['admin']})}.{signature}",
        "cut off": token[:-1],
        "extended": token + ".a",
        "long": token + "a" * 4096,
        "deep": f"{part({'alg': 'HS256', 'kid': kid})}." + encoded("[" * 900 + "]" * 900) + ".a",
    }

    assert harness.knows(token)
    assert {name: harness.knows(text) for name, text in forged.items()} == dict.fromkeys(
        forged, False
    )


def test_a_key_id_cannot_inject_sql(harness: Harness) -> None:
    claims = claims_of(harness.administrator())
    for kid in ("' OR 1=1 --", "../../etc/passwd", "\x00", "\ud800", "k" * 3000):
        assert not harness.knows(jwt.encode(claims, b"x" * 32, "HS256", headers={"kid": kid}))


def test_a_token_expires_after_an_hour(harness: Harness) -> None:
    earlier = Harness(harness.db, Clock(utc_now() - timedelta(minutes=59)))
    admin = earlier.administrator()
    assert harness.knows(admin)
    earlier.clock.advance(-90)

    assert not harness.knows(earlier.log_in()["access_token"])


def test_a_database_that_does_not_answer_is_not_a_401(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/missing/hearth.db")
    handler = Harness(db).authorizer
    token = jwt.encode({}, b"x" * 32, "HS256", headers={"kid": "k"})
    event = load_event("authorizer/http_api_request", identitySource=[f"Bearer {token}"])

    with pytest.raises(Unavailable):
        handler(event, LambdaContext())


# ---- roles, disabling, deleting ----


def test_role_and_permissions_come_from_the_database_and_not_from_the_token(
    harness: Harness,
) -> None:
    admin = harness.administrator()
    user = harness.user(admin)
    token = harness.log_in("bob@example.org")["access_token"]

    harness.call("PATCH", f"/users/{user}", {"role": "guest"}, token=admin)

    event = {
        "requestContext": {
            "authorizer": {"lambda": harness.authorize(f"Bearer {token}")["context"]}
        }
    }
    principal = principal_of(event)
    assert principal is not None
    assert (principal.role, principal.permissions) == (Role.GUEST, PERMISSIONS[Role.GUEST])


@pytest.mark.parametrize("how", ["disable", "delete", "password"])
def test_a_disabled_or_deleted_user_or_a_changed_password_ends_the_session(
    harness: Harness, how: str
) -> None:
    admin = harness.administrator()
    user = harness.user(admin)
    tokens = harness.log_in("bob@example.org")
    key = harness.key(tokens["access_token"])["key"]
    path = f"/users/{user}"

    if how == "delete":
        assert harness.call("DELETE", path, token=admin).status == 204
    else:
        patch = {"disabled": True} if how == "disable" else {"password": PASSWORD[::-1]}
        assert harness.call("PATCH", path, patch, token=admin).status == 200

    assert not harness.knows(tokens["access_token"])
    assert harness.knows(key) is (how == "password")
    refresh = {"refresh_token": tokens["refresh_token"]}
    assert harness.call("POST", "/refresh", refresh).status == 401


def test_a_user_who_is_enabled_again_can_log_in(harness: Harness) -> None:
    admin = harness.administrator()
    user = harness.user(admin)
    token = harness.log_in("bob@example.org")["access_token"]
    harness.call("PATCH", f"/users/{user}", {"disabled": True}, token=admin)
    harness.call("PATCH", f"/users/{user}", {"disabled": False}, token=admin)

    assert not harness.knows(token)
    assert harness.knows(harness.log_in("bob@example.org")["access_token"])


# ---- signing keys ----


def test_a_rotated_key_verifies_until_the_last_token_it_signed_has_expired(
    harness: Harness,
) -> None:
    admin = harness.administrator()
    (before,) = harness.call("GET", "/signing-keys", token=admin).body["keys"]

    made = harness.call("POST", "/signing-keys/rotate", {}, token=admin)

    assert made.status == 200
    assert "secret" not in str(made.body)
    new = harness.log_in()["access_token"]
    assert jwt.get_unverified_header(new)["kid"] == made.body["kid"] != before["kid"]
    assert harness.knows(admin)
    assert harness.knows(new)
    harness.clock.advance(HOUR + 61)
    assert not harness.knows(admin)
    assert harness.knows(new)  # for the keyring; its hour is over for whoever has a real clock


def test_a_compromised_key_ends_with_all_its_tokens(harness: Harness) -> None:
    admin = harness.administrator()

    harness.call("POST", "/signing-keys/rotate", {"distrust": True}, token=admin)

    assert harness.knows(admin)  # kept in the authorizer's memory, for a minute
    new = harness.log_in()["access_token"]
    harness.clock.advance(CACHE_S + 1)
    assert not harness.knows(admin)
    assert harness.knows(new)


def test_a_key_of_another_process_is_found_at_once(harness: Harness) -> None:
    admin = harness.administrator()
    assert harness.knows(admin)
    other = Harness(harness.db, harness.clock)
    other.call("POST", "/signing-keys/rotate", {}, token=admin)

    assert harness.knows(other.log_in()["access_token"])


def test_an_expired_signing_key_is_deleted_at_a_log_in(harness: Harness) -> None:
    admin = harness.administrator()
    harness.call("POST", "/signing-keys/rotate", {}, token=admin)
    harness.clock.advance(2 * HOUR)

    harness.log_in()

    assert len(harness.call("GET", "/signing-keys", local=True).body["keys"]) == 1


# ---- API keys ----


def test_an_api_key_acts_for_its_owner_with_its_own_permissions(harness: Harness) -> None:
    admin = harness.administrator()
    key = harness.key(admin, permissions=["jobs:read", "tasks:read"])

    context = harness.authorize(f"Bearer {key['key']}")["context"]

    assert context == {
        "principal_id": key["user_id"],
        "kind": "api_key",
        "role": "admin",
        "permissions": "jobs:read tasks:read",
        "credential_id": key["id"],
    }


def test_an_api_key_has_no_permission_that_its_owner_lost(harness: Harness) -> None:
    admin = harness.administrator()
    user = harness.user(admin, role="developer")
    token = harness.log_in("bob@example.org")["access_token"]
    key = harness.key(token, permissions=["jobs:read", "tasks:read"])["key"]
    harness.call("PATCH", f"/users/{user}", {"role": "user"}, token=admin)

    assert harness.authorize(f"Bearer {key}")["context"]["permissions"] == "tasks:read"


def test_an_api_key_ends_by_revocation_rotation_and_expiry(harness: Harness) -> None:
    admin = harness.administrator()
    revoked, rotated = harness.key(admin), harness.key(admin)
    expired = harness.key(admin, expires_in_days=1)
    assert all(harness.knows(key["key"]) for key in (revoked, rotated, expired))

    harness.call("DELETE", f"/keys/{revoked['id']}", token=admin)
    new = harness.call("POST", f"/keys/{rotated['id']}/rotate", token=admin).body
    harness.clock.advance(24 * HOUR)

    assert not any(harness.knows(key["key"]) for key in (revoked, rotated, expired))
    assert new["id"] == rotated["id"]
    assert harness.knows(new["key"])


def test_a_key_with_the_right_id_and_a_wrong_secret_is_refused(harness: Harness) -> None:
    key = harness.key(harness.administrator())

    assert not harness.knows(new_secret("hk", key["id"]).text)
    assert not harness.knows(new_secret("hk").text)


def test_a_mistyped_key_is_refused_without_a_look_up(harness: Harness) -> None:
    key = harness.key(harness.administrator())["key"]
    typo = key[:-10] + ("a" if key[-10] != "a" else "b") + key[-9:]
    harness.db.close()
    blind = Harness(harness.db)
    blind.db.read = None  # type: ignore[method-assign,assignment]

    assert not blind.knows(typo)


def test_the_use_of_a_key_is_recorded_at_most_once_a_minute(harness: Harness) -> None:
    admin = harness.administrator()
    key = harness.key(admin)["key"]

    def used() -> str | None:
        (shown,) = harness.call("GET", "/keys", local=False, token=admin).body["keys"]
        return shown["last_used_at"]  # type: ignore[no-any-return]

    assert used() is None
    harness.knows(key)
    first = used()
    assert first is not None
    harness.clock.advance(59)
    harness.knows(key)
    assert used() == first
    harness.clock.advance(2)
    harness.knows(key)
    assert used() not in (None, first)
