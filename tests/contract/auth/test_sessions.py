"""Logging in, refreshing and logging out, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from functions.auth import passwords
from functions.auth.audit_log import Caller
from functions.auth.passwords import Passwords
from functions.auth.schemas import TokensOut
from hearth.http.auth import PERMISSIONS, Role
from tests.support.auth import ADMIN, PASSWORD, Harness, run_concurrently

DAY = 24 * 3600


def test_a_token_contains_its_user_and_permissions(harness: Harness) -> None:
    user_id = harness.set_up()
    tokens = harness.log_in()

    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 3600)
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["sub"] == user_id
    assert (claims["email"], claims["roles"]) == (ADMIN, ["admin"])
    assert claims["permissions"] == sorted(PERMISSIONS[Role.ADMIN])
    assert (claims["iss"], claims["aud"]) == ("hearth", "hearth-api")
    assert claims["exp"] - claims["iat"] == 3600
    assert len(tokens["access_token"]) < 2048


def test_the_authorizer_passes_the_principal_to_functions(harness: Harness) -> None:
    admin = harness.administrator()

    answer = harness.authorize(f"bEARER  {admin}")

    assert answer["isAuthorized"] is True
    me = harness.call("GET", "/me", token=admin).body
    assert me == {
        "id": answer["context"]["principal_id"],
        "kind": "user",
        "email": ADMIN,
        "role": "admin",
        "permissions": answer["context"]["permissions"].split(),
    }


def test_a_program_of_the_machine_has_no_account(harness: Harness) -> None:
    me = harness.call("GET", "/me", local=True).body

    assert (me["id"], me["kind"], me["email"], me["role"]) == ("local", "local", None, "admin")
    assert harness.call("POST", "/logout", local=True).status == 409
    assert harness.call("POST", "/keys", {"name": "x"}, local=True).status == 409


@pytest.mark.parametrize("email", [ADMIN, "nobody@example.org", "off@example.org"])
def test_a_failed_log_in_does_not_disclose_why(harness: Harness, email: str) -> None:
    admin = harness.administrator()
    off = harness.user(admin, "off@example.org")
    harness.call("PATCH", f"/users/{off}", {"disabled": True}, token=admin)
    given = PASSWORD if email.startswith("off") else "not the password at all"

    answer = harness.call("POST", "/login", {"email": email, "password": given})

    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.body["error"]["message"] == "the e-mail address or the password is wrong"


def test_a_log_in_of_an_unknown_user_costs_as_much_as_a_wrong_password(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher, extract_parameters

    harness.set_up()
    verified: list[Any] = []
    verify = PasswordHasher.verify

    def record(self: PasswordHasher, kept: str, password: str) -> bool:
        verified.append(extract_parameters(kept))
        return verify(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", record)
    for email in (ADMIN, "nobody@example.org"):
        harness.call("POST", "/login", {"email": email, "password": "not the password at all"})

    assert len(verified) == 2
    assert verified[0] == verified[1]


def test_e_mail_addresses_are_case_insensitive_and_passwords_are_not(harness: Harness) -> None:
    harness.set_up()

    assert harness.log_in("ADA@Example.ORG")
    wrong = {"email": ADMIN, "password": PASSWORD.upper()}
    assert harness.call("POST", "/login", wrong).status == 401


def test_a_password_is_the_same_however_its_characters_are_composed(harness: Harness) -> None:
    harness.set_up(password="Café am Fluß, 1½ Stunden")

    assert harness.log_in(password="Café am Fluß, 1½ Stunden")


def test_a_hash_of_older_parameters_is_replaced_at_the_next_log_in(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(passwords, "MEMORY_KIB", 16)
        Harness(harness.db).set_up()

    def kept() -> str:
        row = harness.db.read(
            lambda tx: tx.exec_driver_sql("SELECT password_hash FROM auth_users").one()
        )
        return str(row[0])

    assert Passwords().is_outdated(kept())
    harness.log_in()
    assert not Passwords().is_outdated(kept())
    assert harness.log_in()


# ---- refresh ----


def refreshed(harness: Harness, token: str) -> tuple[int, Any]:
    answer = harness.call("POST", "/refresh", {"refresh_token": token})
    return answer.status, answer.body


def test_a_refresh_token_is_exchanged_for_the_next_pair(harness: Harness) -> None:
    harness.set_up()
    first = harness.log_in()

    status, second = refreshed(harness, first["refresh_token"])

    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert harness.knows(second["access_token"])
    assert harness.knows(first["access_token"])  # the same session, and not expired


def test_a_refresh_token_that_is_used_twice_revokes_its_family(harness: Harness) -> None:
    harness.set_up()
    other = harness.log_in()
    first = harness.log_in()
    _, second = refreshed(harness, first["refresh_token"])

    assert refreshed(harness, first["refresh_token"])[0] == 401

    assert refreshed(harness, second["refresh_token"])[0] == 401
    assert not harness.knows(second["access_token"])
    assert harness.knows(other["access_token"])
    refusals = [e for e in harness.audited(other["access_token"]) if e[0] == "refresh"]
    assert refusals == [
        ("refresh", "refused", "a refresh token was used twice: the session is revoked")
    ]


def test_of_concurrent_refreshes_of_one_token_one_succeeds(harness: Harness) -> None:
    harness.set_up()
    token = harness.log_in()["refresh_token"]

    caller = Caller(None, "192.0.2.10")
    answers = run_concurrently(
        *[partial(harness.services.auth.refresh, caller, SecretStr(token))] * 4
    )

    assert sorted(getattr(answer, "status", 200) for answer in answers) == [200, 401, 401, 401]
    # The others were uses of a used token, so that nobody keeps the session.
    (won,) = (answer for answer in answers if isinstance(answer, TokensOut))
    assert not harness.knows(won.access_token)
    assert refreshed(harness, won.refresh_token)[0] == 401


def test_an_invalid_refresh_token_is_refused(harness: Harness) -> None:
    tokens = ["", "hr_", "hk_01KAJQ6T1M5W8Y2Z3X4V5B6N7M_" + "a" * 49, "a.b.c", "\x00", "\ud800"]

    statuses = [refreshed(harness, token)[0] for token in tokens]

    assert statuses == [401] * 5 + [400]  # the last one is no text


def test_a_refresh_token_of_a_known_session_cannot_be_forged(harness: Harness) -> None:
    from functions.auth.secret_text import new_secret

    harness.set_up()
    tokens = harness.log_in()
    token_id = tokens["refresh_token"].split("_")[1]

    assert refreshed(harness, new_secret("hr", token_id).text)[0] == 401
    assert refreshed(harness, tokens["refresh_token"])[0] == 200


def test_a_session_ends_when_it_is_not_refreshed_for_thirty_days(harness: Harness) -> None:
    harness.set_up()
    idle, busy = harness.log_in()["refresh_token"], harness.log_in()["refresh_token"]
    harness.clock.advance(29 * DAY)
    status, body = refreshed(harness, busy)
    assert status == 200
    harness.clock.advance(DAY)

    assert refreshed(harness, idle)[0] == 401
    assert refreshed(harness, body["refresh_token"])[0] == 200


def test_a_session_ends_after_half_a_year_however_often_it_is_refreshed(harness: Harness) -> None:
    harness.set_up()
    token = harness.log_in()["refresh_token"]
    statuses = []
    for _ in range(10):
        harness.clock.advance(20 * DAY)
        status, body = refreshed(harness, token)
        statuses.append(status)
        token = body.get("refresh_token", token)

    assert statuses == [200] * 8 + [401, 401]


# ---- the end of a session ----


def test_logging_out_ends_this_session_and_no_other(harness: Harness) -> None:
    harness.set_up()
    one, other = harness.log_in(), harness.log_in()

    assert harness.call("POST", "/logout", token=one["access_token"]).status == 204

    assert not harness.knows(one["access_token"])
    assert refreshed(harness, one["refresh_token"])[0] == 401
    assert harness.knows(other["access_token"])


def test_a_changed_password_ends_all_other_sessions(harness: Harness) -> None:
    harness.set_up()
    here, elsewhere = harness.log_in()["access_token"], harness.log_in()["access_token"]
    new = "two herons stood in the brook"

    wrong = {"current_password": "not the password at all", "new_password": new}
    assert harness.call("POST", "/password", wrong, token=here).status == 403
    right = {"current_password": PASSWORD, "new_password": new}
    assert harness.call("POST", "/password", right, token=here).status == 204

    assert harness.knows(here)
    assert not harness.knows(elsewhere)
    assert harness.call("POST", "/login", {"email": ADMIN, "password": PASSWORD}).status == 401
    assert harness.log_in(password=new)


def test_a_token_is_validated_for_whoever_holds_it(harness: Harness) -> None:
    admin = harness.administrator()
    key = harness.key(admin, permissions=["jobs:read"], expires_in_days=1)

    token = harness.call("POST", "/validate", {"token": admin}, token=admin).body
    assert (token["valid"], token["kind"], token["role"]) == (True, "user", "admin")
    shown = harness.call("POST", "/validate", {"token": key["key"]}, token=admin).body
    assert (shown["kind"], shown["permissions"]) == ("api_key", ["jobs:read"])
    assert shown["expires_at"] == key["expires_at"]
    harness.call("POST", "/logout", token=admin)
    half = harness.call("POST", "/validate", {"token": "\ud800.a.b"}, token=key["key"])
    assert half.status == 400
    ended = harness.call("POST", "/validate", {"token": admin}, token=key["key"]).body
    assert ended == {
        "valid": False,
        "principal_id": None,
        "kind": None,
        "role": None,
        "permissions": [],
        "expires_at": None,
    }
