"""Who may register, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import Any

from functions.auth.journal import Caller
from functions.auth.schemas import RegisterIn
from tests.support.auth import ADMIN, PASSWORD, SETUP_TOKEN, Porter, at_once

FIRST = {"email": ADMIN, "password": PASSWORD}
DAY = 24 * 3600
NOBODY = Caller(None, "192.0.2.10")


def test_the_first_user_shows_the_setup_token_and_becomes_administrator(porter: Porter) -> None:
    answer = porter.call("POST", "/register", {**FIRST, "setup_token": SETUP_TOKEN})

    assert answer.status == 201
    assert (answer.body["email"], answer.body["role"]) == (ADMIN, "admin")
    assert answer.headers["cache-control"] == "no-store"
    assert "password" not in str(answer.body)
    assert porter.log_in()["expires_in"] == 3600


def test_a_program_of_the_machine_registers_the_first_user_without_a_token(porter: Porter) -> None:
    assert porter.call("POST", "/register", FIRST, local=True).body["role"] == "admin"


def test_nobody_is_first_without_the_very_setup_token(porter: Porter) -> None:
    for shown in (None, "", SETUP_TOKEN[:-1], SETUP_TOKEN + " ", "é" * 16):
        answer = porter.call("POST", "/register", {**FIRST, "setup_token": shown})
        assert (answer.status, answer.code) == (403, "FORBIDDEN")

    half = {**FIRST, "setup_token": "\ud800" * 16}
    assert porter.call("POST", "/register", half).status == 400
    assert porter.call("POST", "/login", FIRST).status == 401


def test_where_no_setup_token_is_set_none_is_right(porter: Porter) -> None:
    closed = Porter(porter.db, setup_token=None)

    assert closed.call("POST", "/register", {**FIRST, "setup_token": ""}).status == 403
    assert closed.call("POST", "/register", FIRST, local=True).status == 201


def test_the_setup_token_is_worth_nothing_once_there_is_a_user(porter: Porter) -> None:
    porter.set_up()
    eve = {"email": "eve@example.org", "password": PASSWORD, "setup_token": SETUP_TOKEN}

    assert porter.call("POST", "/register", eve).status == 403
    assert porter.call("POST", "/register", eve, local=True).status == 403


def test_a_user_whom_the_machine_s_owner_creates_ends_the_setup(porter: Porter) -> None:
    made = porter.call("POST", "/users", {**FIRST, "role": "admin"}, local=True)
    eve = {"email": "eve@example.org", "password": PASSWORD, "setup_token": SETUP_TOKEN}

    assert made.status == 201
    assert porter.call("POST", "/register", eve).status == 403


def test_of_two_first_users_at_once_one_is_the_administrator(porter: Porter) -> None:
    wanted = [
        RegisterIn(email=f"u{n}@example.org", password=PASSWORD, setup_token=SETUP_TOKEN)
        for n in range(4)
    ]

    answers = at_once(*(partial(porter.services.auth.register, NOBODY, each) for each in wanted))

    assert sorted(getattr(answer, "status", 201) for answer in answers) == [201, 403, 403, 403]
    users = porter.call("GET", "/users", local=True).body["users"]
    assert [user["role"] for user in users] == ["admin"]


# ---- invitations ----


def invited(porter: Porter, admin: str, **wanted: Any) -> dict[str, Any]:
    answer = porter.call(
        "POST", "/invitations", {"email": "bob@example.org", **wanted}, token=admin
    )
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.body
    return made


def bob(code: str | None, email: str = "bob@example.org") -> dict[str, Any]:
    return {"email": email, "password": PASSWORD, "invitation": code}


def test_an_invitation_carries_a_role_and_lets_one_address_in_once(porter: Porter) -> None:
    code = invited(porter, porter.administrator(), role="developer")["code"]

    assert porter.call("POST", "/register", bob(code, "eve@example.org")).status == 403
    answer = porter.call("POST", "/register", bob(code, "Bob@Example.org"))
    assert (answer.status, answer.body["role"]) == (201, "developer")
    assert porter.call("POST", "/register", bob(code)).status == 403


def test_an_invitation_expires_and_can_be_withdrawn(porter: Porter) -> None:
    admin = porter.administrator()
    short, withdrawn = invited(porter, admin, expires_in_days=1), invited(porter, admin)
    path = f"/invitations/{withdrawn['id']}"

    assert porter.call("DELETE", path, token=admin).status == 204
    assert porter.call("DELETE", path, token=admin).status == 404
    assert porter.call("POST", "/register", bob(withdrawn["code"])).status == 403
    porter.clock.advance(DAY)
    assert porter.call("POST", "/register", bob(short["code"])).status == 403


def test_an_invitation_is_listed_without_its_code(porter: Porter) -> None:
    admin = porter.administrator()
    assert porter.call("GET", "/invitations", token=admin).body["invitations"] == []
    made = invited(porter, admin)

    (shown,) = porter.call("GET", "/invitations", token=admin).body["invitations"]

    assert shown == {name: value for name, value in made.items() if name != "code"}


def test_two_who_use_one_invitation_at_once_make_one_user(porter: Porter) -> None:
    code = invited(porter, porter.administrator())["code"]

    wanted = RegisterIn(**bob(code))
    answers = at_once(*[partial(porter.services.auth.register, NOBODY, wanted)] * 3)

    assert sorted(getattr(answer, "status", 201) for answer in answers) == [201, 403, 403]


def test_registering_does_not_tell_which_addresses_exist(porter: Porter) -> None:
    porter.administrator()

    answers = [
        porter.call("POST", "/register", bob(code, email))
        for email in (ADMIN, "nobody@example.org")
        for code in (None, "hi_guess")
    ]

    assert {(answer.status, answer.body["error"]["message"]) for answer in answers} == {
        (403, answers[0].body["error"]["message"])
    }


def test_only_who_manages_users_invites(porter: Porter) -> None:
    admin = porter.administrator()
    porter.user(admin)
    token = porter.log_in("bob@example.org")["access_token"]

    for method, path in (("GET", "/invitations"), ("GET", "/users"), ("GET", "/audit")):
        assert porter.call(method, path, token=token).status == 403
    wanted = {"email": "eve@example.org", "role": "admin"}
    assert porter.call("POST", "/invitations", wanted, token=token).status == 403
    assert porter.call("POST", "/invitations", {"email": ADMIN}, token=admin).status == 409
