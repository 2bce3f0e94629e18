"""API keys, users and the audit log over HTTP, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from functions.auth.journal import Caller
from functions.auth.repository import audit, tables
from functions.auth.schemas import UserPatch
from hearth.http.auth import LOCAL_OWNER
from tests.support.auth import ADMIN, PASSWORD, SETUP_TOKEN, Porter, at_once

# ---- keys ----


def test_there_are_no_keys_at_first(porter: Porter) -> None:
    admin = porter.administrator()

    assert porter.call("GET", "/keys", token=admin).body == {"keys": [], "next_cursor": None}


def test_a_key_is_shown_once_and_never_stored(porter: Porter) -> None:
    admin = porter.administrator()
    made = porter.key(admin, expires_in_days=30)

    (listed,) = porter.call("GET", "/keys", token=admin).body["keys"]

    assert made["key"].startswith(f"hk_{made['id']}_")
    assert listed == {name: value for name, value in made.items() if name != "key"}
    for table in (tables.api_keys, tables.audit):
        rows = porter.db.read(lambda tx, t=table: tx.execute(select(t)).all())  # type: ignore[misc]
        assert len(rows) > 0
        assert made["key"].rsplit("_", 1)[1] not in str(rows)


def test_keys_come_page_by_page_newest_first(porter: Porter) -> None:
    admin = porter.administrator()
    made = [porter.key(admin, name=f"key {n}")["id"] for n in range(5)]

    first = porter.call("GET", "/keys", token=admin, limit=3).body
    rest = porter.call("GET", "/keys", token=admin, limit=3, cursor=first["next_cursor"]).body

    assert {key["id"] for key in first["keys"] + rest["keys"]} == set(made)
    assert rest["next_cursor"] is None
    assert porter.call("GET", "/keys", token=admin, cursor="x").status == 400


KEYS: list[tuple[dict[str, Any], int]] = [
    ({"name": ""}, 400),
    ({"name": "a\r\nSet-Cookie: b"}, 400),
    ({"name": "x" * 101}, 400),
    ({"name": "x", "permissions": ["everything"]}, 400),
    ({"name": "x", "permissions": ["users:manage"]}, 403),
    ({"name": "x", "expires_in_days": 0}, 400),
    ({"name": "x", "expires_in_days": 2**63}, 400),
    ({"name": "x", "expires_in_days": -1}, 400),
    ({"name": "x", "user_id": "another"}, 400),
    ({"name": "x'); DROP TABLE auth_users; --"}, 201),
    ({"name": "x", "permissions": []}, 201),
]


def test_a_key_has_a_name_and_permissions_of_its_maker(porter: Porter) -> None:
    admin = porter.administrator()
    porter.user(admin)
    token = porter.log_in("bob@example.org")["access_token"]

    statuses = [porter.call("POST", "/keys", wanted, token=token).status for wanted, _ in KEYS]

    assert statuses == [status for _, status in KEYS]


def test_a_key_makes_no_keys_and_rotates_only_itself(porter: Porter) -> None:
    admin = porter.administrator()
    one, other = porter.key(admin), porter.key(admin)

    assert porter.call("POST", "/keys", {"name": "x"}, token=one["key"]).status == 403
    assert porter.call("POST", f"/keys/{other['id']}/rotate", token=one["key"]).status == 403
    assert porter.call("POST", f"/keys/{one['id']}/rotate", token=one["key"]).status == 200
    assert porter.call("POST", "/logout", token=other["key"]).status == 409


def test_another_user_s_keys_are_not_there_except_for_administrators(porter: Porter) -> None:
    admin = porter.administrator()
    porter.user(admin)
    bob = porter.log_in("bob@example.org")["access_token"]
    mine, theirs = porter.key(bob), porter.key(admin)

    for key_id in (theirs["id"], "unknown"):
        assert porter.call("DELETE", f"/keys/{key_id}", token=bob).status == 404
        assert porter.call("POST", f"/keys/{key_id}/rotate", token=bob).status == 404
    assert porter.call("GET", "/keys", token=bob, user_id=theirs["user_id"]).status == 404
    listed = porter.call("GET", "/keys", token=admin, user_id=mine["user_id"]).body["keys"]
    assert [key["id"] for key in listed] == [mine["id"]]
    # Whoever holds the new secret acts for its owner, so that is not even an administrator's.
    assert porter.call("POST", f"/keys/{mine['id']}/rotate", token=admin).status == 404
    assert porter.call("DELETE", f"/keys/{mine['id']}", token=admin).status == 204


def test_a_revoked_key_is_not_rotated_back_to_life(porter: Porter) -> None:
    admin = porter.administrator()
    key = porter.key(admin)
    for _ in range(2):
        assert porter.call("DELETE", f"/keys/{key['id']}", token=admin).status == 204

    assert porter.call("POST", f"/keys/{key['id']}/rotate", token=admin).status == 409


# ---- users ----


MALFORMED: list[dict[str, Any]] = [
    {"email": "no-at-sign"},
    {"email": "a@b\r\nBcc: eve@example.org"},
    {"email": "a@" + "b" * 300},
    {"email": "a\x00@example.org"},
    {"email": "=cmd|'/c calc'!A1 @example.org"},
    {"email": "\ud800@example.org"},
    {"password": "short"},
    {"password": "a" * 12},
    {"password": "Password1234"},
    {"password": "carol@example.org"},
    {"password": "x" * 129},
    {"password": "a heron \ud800 in the brook"},
    {"role": "root"},
    {"is_admin": True},
]


def test_a_user_that_is_not_well_formed_is_refused_and_its_password_not_told(
    porter: Porter,
) -> None:
    admin = porter.administrator()
    for wanted in MALFORMED:
        body = {"email": "carol@example.org", "password": PASSWORD, **wanted}
        answer = porter.call("POST", "/users", body, token=admin)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), wanted
        assert str(body["password"]) not in str(answer.body)


def test_users_are_listed_shown_changed_and_deleted(porter: Porter) -> None:
    admin = porter.administrator()
    bob = porter.user(admin, role="guest")

    listed = porter.call("GET", "/users", token=admin).body["users"]
    assert [user["email"] for user in listed] == ["bob@example.org", ADMIN]
    changed = porter.call("PATCH", f"/users/{bob}", {"role": "developer"}, token=admin).body
    assert changed["role"] == "developer"
    assert porter.call("GET", f"/users/{bob}", token=admin).body == changed
    assert porter.call("DELETE", f"/users/{bob}", token=admin).status == 204
    for method in ("GET", "DELETE"):
        assert porter.call(method, f"/users/{bob}", token=admin).status == 404
    assert porter.call("PATCH", f"/users/{bob}", {}, token=admin).status == 404
    assert porter.user(admin)  # the address is free again


def test_an_address_belongs_to_one_user(porter: Porter) -> None:
    admin = porter.administrator()
    wanted = {"email": "ADA@example.org", "password": PASSWORD}

    assert porter.call("POST", "/users", wanted, token=admin).status == 409


@pytest.mark.parametrize("patch", [{"role": "user"}, {"disabled": True}, None])
def test_the_last_administrator_stays(porter: Porter, patch: dict[str, Any] | None) -> None:
    admin = porter.administrator()
    ada = porter.call("GET", "/me", token=admin).body["id"]
    other = porter.user(admin, role="admin")
    porter.call("PATCH", f"/users/{other}", {"disabled": True}, token=admin)

    def end() -> int:
        if patch is None:
            return porter.call("DELETE", f"/users/{ada}", token=admin).status
        return porter.call("PATCH", f"/users/{ada}", patch, token=admin).status

    assert end() == 409
    porter.call("PATCH", f"/users/{other}", {"disabled": False}, token=admin)
    assert end() in (200, 204)


def test_of_two_administrators_who_end_each_other_at_once_one_stays(porter: Porter) -> None:
    admin = porter.administrator()
    ada = porter.call("GET", "/me", token=admin).body["id"]
    bob = porter.user(admin, role="admin")
    change = porter.services.accounts.change_user
    caller = Caller(LOCAL_OWNER, "")

    answers = at_once(
        partial(change, caller, ada, UserPatch(role="user")),
        partial(change, caller, bob, UserPatch(disabled=True)),
    )

    assert sorted(getattr(answer, "status", 200) for answer in answers) == [200, 409]


# ---- audit ----


def test_the_log_tells_who_did_what_and_holds_no_secrets(porter: Porter) -> None:
    porter.call("POST", "/register", {"email": ADMIN, "password": PASSWORD})
    user_id = porter.set_up()
    tokens = porter.log_in()
    admin = tokens["access_token"]
    porter.call("POST", "/login", {"email": ADMIN, "password": "not the password at all"})
    porter.call("POST", "/login", {"email": "typed my password", "password": "x"})
    porter.call("POST", "/login", {"email": "my-password@here", "password": "x"})
    key = porter.key(admin, name="backup")
    porter.call("POST", f"/keys/{key['id']}/rotate", token=admin)
    porter.call("DELETE", f"/keys/{key['id']}", token=admin)
    bob = porter.user(admin)
    porter.call("PATCH", f"/users/{bob}", {"role": "guest", "password": PASSWORD}, token=admin)
    porter.call("DELETE", f"/users/{bob}", token=admin)

    assert porter.audited(admin) == [
        ("register", "refused", "no invitation, no setup token"),
        ("register", "done", "setup"),
        ("login", "done", None),
        ("login", "refused", "wrong password"),
        ("login", "refused", "unknown user"),
        ("key.create", "done", "backup"),
        ("key.rotate", "done", None),
        ("key.revoke", "done", None),
        ("user.create", "done", "user"),
        ("user.change", "done", "password, role guest"),
        ("user.delete", "done", "bob@example.org"),
    ]
    entries = porter.call("GET", "/audit", token=admin, limit=100).body["entries"]
    assert {entry["address"] for entry in entries} == {porter.address}
    wrong = next(entry for entry in entries if entry["reason"] == "wrong password")
    assert (wrong["actor_id"], wrong["actor_kind"]) == (user_id, "user")
    text = str(entries)
    for secret in (
        PASSWORD,
        SETUP_TOKEN,
        "my-password",
        tokens["refresh_token"],
        admin,
        key["key"],
    ):
        assert secret not in text


def test_the_log_is_read_by_actor_and_by_action_page_by_page(porter: Porter) -> None:
    user_id = porter.set_up()
    admin = porter.log_in()["access_token"]
    porter.call("POST", "/login", {"email": "eve@example.org", "password": "x"})

    assert porter.audited(admin, action="register") == [("register", "done", "setup")]
    assert len(porter.audited(admin, actor_id=user_id)) == 2
    page = porter.call("GET", "/audit", token=admin, limit=2).body
    rest = porter.call("GET", "/audit", token=admin, limit=2, cursor=page["next_cursor"]).body
    assert len(page["entries"]) + len(rest["entries"]) == 3


def test_nothing_changes_or_deletes_an_entry(porter: Porter) -> None:
    public = {name for name in vars(audit) if name.endswith("_audit")}

    assert public == {"add_audit", "list_audit"}


def test_a_developer_does_not_read_the_log(porter: Porter) -> None:
    admin = porter.administrator()
    porter.user(admin, role="developer")
    token = porter.log_in("bob@example.org")["access_token"]

    assert porter.call("GET", "/audit", token=token).status == 403


BODIES = [
    ('{"email": "a@b.c", "password": ' + "[" * 40 + "]" * 40 + "}", 400),
    ('{"email": "a@b.c"', 400),
    ('{"email": "a@b.c", "password": "a heron \\ud800 in the brook"}', 400),
    ("[]", 400),
    ("null", 400),
    ('{"email": ["a@b.c"], "password": {"$ne": ""}}', 400),
    ('{"email": "a@b.c", "password": "' + "x" * (1024 * 1024) + '"}', 413),
]


def test_a_body_that_is_no_log_in_is_refused(porter: Porter) -> None:
    statuses = [porter.call("POST", "/login", body).status for body, _ in BODIES]

    assert statuses == [status for _, status in BODIES]
