"""Logging in, refreshing and logging out, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from functions.auth import passwords
from functions.auth.journal import Caller
from functions.auth.passwords import Passwords
from functions.auth.schemas import TokensOut
from hearth.http.auth import PERMISSIONS, Role
from tests.support.auth import ADMIN, PASSWORD, Porter, at_once

DAY = 24 * 3600


def test_a_token_says_who_bears_it_and_what_they_may_do(porter: Porter) -> None:
    user_id = porter.set_up()
    tokens = porter.log_in()

    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 3600)
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["sub"] == user_id
    assert (claims["email"], claims["roles"]) == (ADMIN, ["admin"])
    assert claims["permissions"] == sorted(PERMISSIONS[Role.ADMIN])
    assert (claims["iss"], claims["aud"]) == ("hearth", "hearth-api")
    assert claims["exp"] - claims["iat"] == 3600
    assert len(tokens["access_token"]) < 2048


def test_the_authorizer_tells_functions_who_calls(porter: Porter) -> None:
    admin = porter.administrator()

    answer = porter.authorize(f"bEARER  {admin}")

    assert answer["isAuthorized"] is True
    me = porter.call("GET", "/me", token=admin).body
    assert me == {
        "id": answer["context"]["principal_id"],
        "kind": "user",
        "email": ADMIN,
        "role": "admin",
        "permissions": answer["context"]["permissions"].split(),
    }


def test_the_machine_itself_is_nobody_s_account(porter: Porter) -> None:
    me = porter.call("GET", "/me", local=True).body

    assert (me["id"], me["kind"], me["email"], me["role"]) == ("local", "local", None, "admin")
    assert porter.call("POST", "/logout", local=True).status == 409
    assert porter.call("POST", "/keys", {"name": "x"}, local=True).status == 409


@pytest.mark.parametrize("email", [ADMIN, "nobody@example.org", "off@example.org"])
def test_a_log_in_that_fails_does_not_tell_why(porter: Porter, email: str) -> None:
    admin = porter.administrator()
    off = porter.user(admin, "off@example.org")
    porter.call("PATCH", f"/users/{off}", {"disabled": True}, token=admin)
    given = PASSWORD if email.startswith("off") else "not the password at all"

    answer = porter.call("POST", "/login", {"email": email, "password": given})

    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.body["error"]["message"] == "the e-mail address or the password is wrong"


def test_a_log_in_of_an_unknown_user_costs_what_a_wrong_password_costs(
    porter: Porter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argon2 import PasswordHasher, extract_parameters

    porter.set_up()
    verified: list[Any] = []
    verify = PasswordHasher.verify

    def note(self: PasswordHasher, kept: str, password: str) -> bool:
        verified.append(extract_parameters(kept))
        return verify(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    for email in (ADMIN, "nobody@example.org"):
        porter.call("POST", "/login", {"email": email, "password": "not the password at all"})

    assert len(verified) == 2
    assert verified[0] == verified[1]


def test_an_address_is_the_same_in_capitals_and_a_password_is_not(porter: Porter) -> None:
    porter.set_up()

    assert porter.log_in("ADA@Example.ORG")
    wrong = {"email": ADMIN, "password": PASSWORD.upper()}
    assert porter.call("POST", "/login", wrong).status == 401


def test_a_password_is_the_same_however_its_characters_are_composed(porter: Porter) -> None:
    porter.set_up(password="Café am Fluß, 1½ Stunden")

    assert porter.log_in(password="Café am Fluß, 1½ Stunden")


def test_a_hash_of_older_parameters_is_replaced_at_the_next_log_in(
    porter: Porter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(passwords, "MEMORY_KIB", 16)
        Porter(porter.db).set_up()

    def kept() -> str:
        row = porter.db.read(
            lambda tx: tx.exec_driver_sql("SELECT password_hash FROM auth_users").one()
        )
        return str(row[0])

    assert Passwords().is_outdated(kept())
    porter.log_in()
    assert not Passwords().is_outdated(kept())
    assert porter.log_in()


# ---- refresh ----


def refreshed(porter: Porter, token: str) -> tuple[int, Any]:
    answer = porter.call("POST", "/refresh", {"refresh_token": token})
    return answer.status, answer.body


def test_a_refresh_token_is_exchanged_for_the_next_pair(porter: Porter) -> None:
    porter.set_up()
    first = porter.log_in()

    status, second = refreshed(porter, first["refresh_token"])

    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert porter.knows(second["access_token"])
    assert porter.knows(first["access_token"])  # the same session, and not expired


def test_a_refresh_token_that_is_used_twice_ends_its_whole_family(porter: Porter) -> None:
    porter.set_up()
    other = porter.log_in()
    first = porter.log_in()
    _, second = refreshed(porter, first["refresh_token"])

    assert refreshed(porter, first["refresh_token"])[0] == 401

    assert refreshed(porter, second["refresh_token"])[0] == 401
    assert not porter.knows(second["access_token"])
    assert porter.knows(other["access_token"])
    refusals = [e for e in porter.audited(other["access_token"]) if e[0] == "refresh"]
    assert refusals == [
        ("refresh", "refused", "a refresh token was used twice: the session is revoked")
    ]


def test_of_two_refreshes_of_one_token_at_once_one_wins(porter: Porter) -> None:
    porter.set_up()
    token = porter.log_in()["refresh_token"]

    caller = Caller(None, "192.0.2.10")
    answers = at_once(*[partial(porter.services.auth.refresh, caller, SecretStr(token))] * 4)

    assert sorted(getattr(answer, "status", 200) for answer in answers) == [200, 401, 401, 401]
    # The others were uses of a used token, so that nobody keeps the session.
    (won,) = (answer for answer in answers if isinstance(answer, TokensOut))
    assert not porter.knows(won.access_token)
    assert refreshed(porter, won.refresh_token)[0] == 401


def test_what_is_no_refresh_token_is_refused(porter: Porter) -> None:
    tokens = ["", "hr_", "hk_01KAJQ6T1M5W8Y2Z3X4V5B6N7M_" + "a" * 49, "a.b.c", "\x00", "\ud800"]

    statuses = [refreshed(porter, token)[0] for token in tokens]

    assert statuses == [401] * 5 + [400]  # the last one is no text


def test_a_refresh_token_of_a_known_session_cannot_be_made_up(porter: Porter) -> None:
    from functions.auth.secret_text import new_secret

    porter.set_up()
    tokens = porter.log_in()
    token_id = tokens["refresh_token"].split("_")[1]

    assert refreshed(porter, new_secret("hr", token_id).text)[0] == 401
    assert refreshed(porter, tokens["refresh_token"])[0] == 200


def test_a_session_ends_when_it_is_not_refreshed_for_thirty_days(porter: Porter) -> None:
    porter.set_up()
    idle, busy = porter.log_in()["refresh_token"], porter.log_in()["refresh_token"]
    porter.clock.advance(29 * DAY)
    status, body = refreshed(porter, busy)
    assert status == 200
    porter.clock.advance(DAY)

    assert refreshed(porter, idle)[0] == 401
    assert refreshed(porter, body["refresh_token"])[0] == 200


def test_a_session_ends_after_half_a_year_however_often_it_is_refreshed(porter: Porter) -> None:
    porter.set_up()
    token = porter.log_in()["refresh_token"]
    statuses = []
    for _ in range(10):
        porter.clock.advance(20 * DAY)
        status, body = refreshed(porter, token)
        statuses.append(status)
        token = body.get("refresh_token", token)

    assert statuses == [200] * 8 + [401, 401]


# ---- the end of a session ----


def test_logging_out_ends_this_session_and_no_other(porter: Porter) -> None:
    porter.set_up()
    one, other = porter.log_in(), porter.log_in()

    assert porter.call("POST", "/logout", token=one["access_token"]).status == 204

    assert not porter.knows(one["access_token"])
    assert refreshed(porter, one["refresh_token"])[0] == 401
    assert porter.knows(other["access_token"])


def test_another_password_ends_all_other_sessions(porter: Porter) -> None:
    porter.set_up()
    here, elsewhere = porter.log_in()["access_token"], porter.log_in()["access_token"]
    new = "two herons stood in the brook"

    wrong = {"current_password": "not the password at all", "new_password": new}
    assert porter.call("POST", "/password", wrong, token=here).status == 403
    right = {"current_password": PASSWORD, "new_password": new}
    assert porter.call("POST", "/password", right, token=here).status == 204

    assert porter.knows(here)
    assert not porter.knows(elsewhere)
    assert porter.call("POST", "/login", {"email": ADMIN, "password": PASSWORD}).status == 401
    assert porter.log_in(password=new)


def test_a_token_is_validated_for_whoever_holds_it(porter: Porter) -> None:
    admin = porter.administrator()
    key = porter.key(admin, permissions=["jobs:read"], expires_in_days=1)

    token = porter.call("POST", "/validate", {"token": admin}, token=admin).body
    assert (token["valid"], token["kind"], token["role"]) == (True, "user", "admin")
    shown = porter.call("POST", "/validate", {"token": key["key"]}, token=admin).body
    assert (shown["kind"], shown["permissions"]) == ("api_key", ["jobs:read"])
    assert shown["expires_at"] == key["expires_at"]
    porter.call("POST", "/logout", token=admin)
    half = porter.call("POST", "/validate", {"token": "\ud800.a.b"}, token=key["key"])
    assert half.status == 400
    ended = porter.call("POST", "/validate", {"token": admin}, token=key["key"]).body
    assert ended == {
        "valid": False,
        "principal_id": None,
        "kind": None,
        "role": None,
        "permissions": [],
        "expires_at": None,
    }
