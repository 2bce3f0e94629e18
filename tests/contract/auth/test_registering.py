"""Who may register, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import Any

from functions.auth.audit_log import Caller
from functions.auth.schemas import RegisterIn
from tests.support.auth import ADMIN, PASSWORD, SETUP_TOKEN, Harness, run_concurrently

FIRST = {"email": ADMIN, "password": PASSWORD}
DAY = 24 * 3600
NOBODY = Caller(None, "192.0.2.10")


def test_the_first_user_presents_the_setup_token_and_becomes_administrator(
    harness: Harness,
) -> None:
    answer = harness.call("POST", "/register", {**FIRST, "setup_token": SETUP_TOKEN})

    assert answer.status == 201
    assert (answer.body["email"], answer.body["role"]) == (ADMIN, "admin")
    assert answer.headers["cache-control"] == "no-store"
    assert "password" not in str(answer.body)
    assert harness.log_in()["expires_in"] == 3600


def test_a_program_of_the_machine_registers_the_first_user_without_a_token(
    harness: Harness,
) -> None:
    assert harness.call("POST", "/register", FIRST, local=True).body["role"] == "admin"


def test_the_first_user_needs_the_exact_setup_token(harness: Harness) -> None:
    for shown in (None, "", SETUP_TOKEN[:-1], SETUP_TOKEN + " ", "é" * 16):
        answer = harness.call("POST", "/register", {**FIRST, "setup_token": shown})
        assert (answer.status, answer.code) == (403, "FORBIDDEN")

    half = {**FIRST, "setup_token": "\ud800" * 16}
    assert harness.call("POST", "/register", half).status == 400
    assert harness.call("POST", "/login", FIRST).status == 401


def test_without_a_configured_setup_token_none_is_accepted(harness: Harness) -> None:
    closed = Harness(harness.db, setup_token=None)

    assert closed.call("POST", "/register", {**FIRST, "setup_token": ""}).status == 403
    assert closed.call("POST", "/register", FIRST, local=True).status == 201


def test_the_setup_token_is_void_once_there_is_a_user(harness: Harness) -> None:
    harness.set_up()
    eve = {"email": "eve@example.org", "password": PASSWORD, "setup_token": SETUP_TOKEN}

    assert harness.call("POST", "/register", eve).status == 403
    assert harness.call("POST", "/register", eve, local=True).status == 403


def test_a_user_whom_the_machine_s_owner_creates_ends_the_setup(harness: Harness) -> None:
    made = harness.call("POST", "/users", {**FIRST, "role": "admin"}, local=True)
    eve = {"email": "eve@example.org", "password": PASSWORD, "setup_token": SETUP_TOKEN}

    assert made.status == 201
    assert harness.call("POST", "/register", eve).status == 403


def test_of_two_concurrent_first_users_one_becomes_administrator(harness: Harness) -> None:
    wanted = [
        RegisterIn(email=f"u{n}@example.org", password=PASSWORD, setup_token=SETUP_TOKEN)
        for n in range(4)
    ]

    answers = run_concurrently(
        *(partial(harness.services.auth.register, NOBODY, each) for each in wanted)
    )

    assert sorted(getattr(answer, "status", 201) for answer in answers) == [201, 403, 403, 403]
    users = harness.call("GET", "/users", local=True).body["users"]
    assert [user["role"] for user in users] == ["admin"]


# ---- invitations ----


def invited(harness: Harness, admin: str, **wanted: Any) -> dict[str, Any]:
    answer = harness.call(
        "POST", "/invitations", {"email": "bob@example.org", **wanted}, token=admin
    )
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.body
    return made


def bob(code: str | None, email: str = "bob@example.org") -> dict[str, Any]:
    return {"email": email, "password": PASSWORD, "invitation": code}


def test_an_invitation_has_a_role_and_registers_one_address_once(harness: Harness) -> None:
    code = invited(harness, harness.administrator(), role="developer")["code"]

    assert harness.call("POST", "/register", bob(code, "eve@example.org")).status == 403
    answer = harness.call("POST", "/register", bob(code, "Bob@Example.org"))
    assert (answer.status, answer.body["role"]) == (201, "developer")
    assert harness.call("POST", "/register", bob(code)).status == 403


def test_an_invitation_expires_and_can_be_withdrawn(harness: Harness) -> None:
    admin = harness.administrator()
    short, withdrawn = invited(harness, admin, expires_in_days=1), invited(harness, admin)
    path = f"/invitations/{withdrawn['id']}"

    assert harness.call("DELETE", path, token=admin).status == 204
    assert harness.call("DELETE", path, token=admin).status == 404
    assert harness.call("POST", "/register", bob(withdrawn["code"])).status == 403
    harness.clock.advance(DAY)
    assert harness.call("POST", "/register", bob(short["code"])).status == 403


def test_an_invitation_is_listed_without_its_code(harness: Harness) -> None:
    admin = harness.administrator()
    assert harness.call("GET", "/invitations", token=admin).body["invitations"] == []
    made = invited(harness, admin)

    (shown,) = harness.call("GET", "/invitations", token=admin).body["invitations"]

    assert shown == {name: value for name, value in made.items() if name != "code"}


def test_concurrent_uses_of_one_invitation_create_one_user(harness: Harness) -> None:
    code = invited(harness, harness.administrator())["code"]

    wanted = RegisterIn(**bob(code))
    answers = run_concurrently(*[partial(harness.services.auth.register, NOBODY, wanted)] * 3)

    assert sorted(getattr(answer, "status", 201) for answer in answers) == [201, 403, 403]


def test_registration_does_not_disclose_which_addresses_exist(harness: Harness) -> None:
    harness.administrator()

    answers = [
        harness.call("POST", "/register", bob(code, email))
        for email in (ADMIN, "nobody@example.org")
        for code in (None, "hi_guess")
    ]

    assert {(answer.status, answer.body["error"]["message"]) for answer in answers} == {
        (403, answers[0].body["error"]["message"])
    }


def test_only_administrators_invite(harness: Harness) -> None:
    admin = harness.administrator()
    harness.user(admin)
    token = harness.log_in("bob@example.org")["access_token"]

    for method, path in (("GET", "/invitations"), ("GET", "/users"), ("GET", "/audit")):
        assert harness.call(method, path, token=token).status == 403
    wanted = {"email": "eve@example.org", "role": "admin"}
    assert harness.call("POST", "/invitations", wanted, token=token).status == 403
    assert harness.call("POST", "/invitations", {"email": ADMIN}, token=admin).status == 409
