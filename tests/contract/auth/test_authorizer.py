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
from functions.auth.keyring import KEPT_S
from functions.auth.secret_text import new_secret
from hearth.db import Database
from hearth.errors import Unavailable
from hearth.http.auth import PERMISSIONS, Role, principal_of
from hearth.ids import utc_now
from tests.support.auth import PASSWORD, Porter
from tests.support.events import load_event
from tests.support.fakes import Clock, LambdaContext

HOUR = 3600


def signing_key(porter: Porter) -> tuple[str, bytes]:
    """(kid, secret) of the key that signs."""
    query = "SELECT kid, secret FROM auth_signing_keys WHERE retired_at IS NULL"
    kid, secret = porter.db.read(lambda tx: tx.exec_driver_sql(query).one())
    return kid, base64.b64decode(secret)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def part(value: Any) -> str:
    return encoded(json.dumps(value))


def test_the_recorded_requests_are_refused(porter: Porter) -> None:
    porter.administrator()
    for case in ("request", "alg_none", "basic_scheme"):
        with pytest.raises(Unauthorized, match=r"\AUnauthorized\Z"):
            porter.authorizer(load_event(f"authorizer/http_api_{case}"), LambdaContext())


def test_what_is_no_bearer_credential_is_refused(porter: Porter) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Token abc", "hk_x"):
        with pytest.raises(Unauthorized):
            porter.authorize(header)


def test_a_request_without_identity_is_refused(porter: Porter) -> None:
    event = load_event("authorizer/http_api_request")
    for missing in ([], None):
        with pytest.raises(Unauthorized):
            porter.authorizer(event | {"identitySource": missing}, LambdaContext())


CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": utc_now() - timedelta(minutes=1)},
    "not yet valid": {"nbf": utc_now() + timedelta(days=1)},
    "issued in the future": {"iat": utc_now() + timedelta(days=1)},
    "for another audience": {"aud": "another-api"},
    "of another issuer": {"iss": "https://example.org"},
    "of another user's session": {"sub": "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"},
    "of a session that never was": {"sid": "01KAJQ6T1M5W8Y2Z3X4V5B6N7M"},
    "without an end": {"exp": None},
    "without an audience": {"aud": None},
    "without a session": {"sid": None},
}


def test_a_token_of_our_own_key_is_refused_when_a_claim_is_wrong(porter: Porter) -> None:
    token = porter.administrator()
    kid, secret = signing_key(porter)

    def known(**changes: Any) -> bool:
        claims = {**claims_of(token), **changes}
        kept = {name: value for name, value in claims.items() if value is not None}
        return porter.knows(jwt.encode(kept, secret, "HS256", headers={"kid": kid}))

    assert known()
    assert {name: known(**changes) for name, changes in CLAIMS.items()} == dict.fromkeys(
        CLAIMS, False
    )


def test_a_token_that_is_not_signed_with_our_key_and_algorithm_is_refused(porter: Porter) -> None:
    token = porter.administrator()
    kid, secret = signing_key(porter)
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

    assert porter.knows(token)
    assert {name: porter.knows(text) for name, text in forged.items()} == dict.fromkeys(
        forged, False
    )


def test_the_key_s_name_is_no_way_into_the_database(porter: Porter) -> None:
    claims = claims_of(porter.administrator())
    for kid in ("' OR 1=1 --", "../../etc/passwd", "\x00", "\ud800", "k" * 3000):
        assert not porter.knows(jwt.encode(claims, b"x" * 32, "HS256", headers={"kid": kid}))


def test_a_token_expires_after_an_hour(porter: Porter) -> None:
    earlier = Porter(porter.db, Clock(utc_now() - timedelta(minutes=59)))
    admin = earlier.administrator()
    assert porter.knows(admin)
    earlier.clock.advance(-90)

    assert not porter.knows(earlier.log_in()["access_token"])


def test_a_database_that_does_not_answer_is_no_401(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/missing/hearth.db")
    handler = Porter(db).authorizer
    token = jwt.encode({}, b"x" * 32, "HS256", headers={"kid": "k"})
    event = load_event("authorizer/http_api_request", identitySource=[f"Bearer {token}"])

    with pytest.raises(Unavailable):
        handler(event, LambdaContext())


# ---- roles, disabling, deleting ----


def test_role_and_permissions_are_those_of_this_moment_not_of_the_token(porter: Porter) -> None:
    admin = porter.administrator()
    user = porter.user(admin)
    token = porter.log_in("bob@example.org")["access_token"]

    porter.call("PATCH", f"/users/{user}", {"role": "guest"}, token=admin)

    event = {
        "requestContext": {"authorizer": {"lambda": porter.authorize(f"Bearer {token}")["context"]}}
    }
    principal = principal_of(event)
    assert principal is not None
    assert (principal.role, principal.permissions) == (Role.GUEST, PERMISSIONS[Role.GUEST])


@pytest.mark.parametrize("how", ["disable", "delete", "password"])
def test_whoever_is_disabled_deleted_or_given_another_password_is_out(
    porter: Porter, how: str
) -> None:
    admin = porter.administrator()
    user = porter.user(admin)
    tokens = porter.log_in("bob@example.org")
    key = porter.key(tokens["access_token"])["key"]
    path = f"/users/{user}"

    if how == "delete":
        assert porter.call("DELETE", path, token=admin).status == 204
    else:
        patch = {"disabled": True} if how == "disable" else {"password": PASSWORD[::-1]}
        assert porter.call("PATCH", path, patch, token=admin).status == 200

    assert not porter.knows(tokens["access_token"])
    assert porter.knows(key) is (how == "password")
    refresh = {"refresh_token": tokens["refresh_token"]}
    assert porter.call("POST", "/refresh", refresh).status == 401


def test_whoever_is_enabled_again_logs_in_again(porter: Porter) -> None:
    admin = porter.administrator()
    user = porter.user(admin)
    token = porter.log_in("bob@example.org")["access_token"]
    porter.call("PATCH", f"/users/{user}", {"disabled": True}, token=admin)
    porter.call("PATCH", f"/users/{user}", {"disabled": False}, token=admin)

    assert not porter.knows(token)
    assert porter.knows(porter.log_in("bob@example.org")["access_token"])


# ---- signing keys ----


def test_a_rotated_key_verifies_until_the_last_token_it_signed_has_expired(porter: Porter) -> None:
    admin = porter.administrator()
    (before,) = porter.call("GET", "/signing-keys", token=admin).body["keys"]

    made = porter.call("POST", "/signing-keys/rotate", {}, token=admin)

    assert made.status == 200
    assert "secret" not in str(made.body)
    new = porter.log_in()["access_token"]
    assert jwt.get_unverified_header(new)["kid"] == made.body["kid"] != before["kid"]
    assert porter.knows(admin)
    assert porter.knows(new)
    porter.clock.advance(HOUR + 61)
    assert not porter.knows(admin)
    assert porter.knows(new)  # for the keyring; its hour is over for whoever has a real clock


def test_a_key_in_wrong_hands_ends_with_all_its_tokens(porter: Porter) -> None:
    admin = porter.administrator()

    porter.call("POST", "/signing-keys/rotate", {"distrust": True}, token=admin)

    assert porter.knows(admin)  # kept in the authorizer's memory, for a minute
    new = porter.log_in()["access_token"]
    porter.clock.advance(KEPT_S + 1)
    assert not porter.knows(admin)
    assert porter.knows(new)


def test_a_key_that_another_process_made_is_found_at_once(porter: Porter) -> None:
    admin = porter.administrator()
    assert porter.knows(admin)
    other = Porter(porter.db, porter.clock)
    other.call("POST", "/signing-keys/rotate", {}, token=admin)

    assert porter.knows(other.log_in()["access_token"])


def test_an_expired_signing_key_is_pruned_at_a_log_in(porter: Porter) -> None:
    admin = porter.administrator()
    porter.call("POST", "/signing-keys/rotate", {}, token=admin)
    porter.clock.advance(2 * HOUR)

    porter.log_in()

    assert len(porter.call("GET", "/signing-keys", local=True).body["keys"]) == 1


# ---- API keys ----


def test_a_key_acts_for_its_owner_with_its_own_permissions(porter: Porter) -> None:
    admin = porter.administrator()
    key = porter.key(admin, permissions=["jobs:read", "tasks:read"])

    context = porter.authorize(f"Bearer {key['key']}")["context"]

    assert context == {
        "principal_id": key["user_id"],
        "kind": "api_key",
        "role": "admin",
        "permissions": "jobs:read tasks:read",
        "credential_id": key["id"],
    }


def test_a_key_may_no_more_than_its_owner_still_may(porter: Porter) -> None:
    admin = porter.administrator()
    user = porter.user(admin, role="developer")
    token = porter.log_in("bob@example.org")["access_token"]
    key = porter.key(token, permissions=["jobs:read", "tasks:read"])["key"]
    porter.call("PATCH", f"/users/{user}", {"role": "user"}, token=admin)

    assert porter.authorize(f"Bearer {key}")["context"]["permissions"] == "tasks:read"


def test_a_key_ends_by_revocation_by_rotation_and_by_time(porter: Porter) -> None:
    admin = porter.administrator()
    revoked, rotated = porter.key(admin), porter.key(admin)
    expired = porter.key(admin, expires_in_days=1)
    assert all(porter.knows(key["key"]) for key in (revoked, rotated, expired))

    porter.call("DELETE", f"/keys/{revoked['id']}", token=admin)
    new = porter.call("POST", f"/keys/{rotated['id']}/rotate", token=admin).body
    porter.clock.advance(24 * HOUR)

    assert not any(porter.knows(key["key"]) for key in (revoked, rotated, expired))
    assert new["id"] == rotated["id"]
    assert porter.knows(new["key"])


def test_a_key_with_the_right_id_and_a_wrong_secret_is_refused(porter: Porter) -> None:
    key = porter.key(porter.administrator())

    assert not porter.knows(new_secret("hk", key["id"]).text)
    assert not porter.knows(new_secret("hk").text)


def test_a_mistyped_key_is_refused_without_asking_the_database(porter: Porter) -> None:
    key = porter.key(porter.administrator())["key"]
    typo = key[:-10] + ("a" if key[-10] != "a" else "b") + key[-9:]
    porter.db.close()
    blind = Porter(porter.db)
    blind.db.read = None  # type: ignore[method-assign,assignment]

    assert not blind.knows(typo)


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(porter: Porter) -> None:
    admin = porter.administrator()
    key = porter.key(admin)["key"]

    def used() -> str | None:
        (shown,) = porter.call("GET", "/keys", local=False, token=admin).body["keys"]
        return shown["last_used_at"]  # type: ignore[no-any-return]

    assert used() is None
    porter.knows(key)
    first = used()
    assert first is not None
    porter.clock.advance(59)
    porter.knows(key)
    assert used() == first
    porter.clock.advance(2)
    porter.knows(key)
    assert used() not in (None, first)
