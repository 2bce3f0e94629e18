"""API keys, users and the audit log over HTTP, on SQLite and PostgreSQL."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from functions.auth.audit_log import Caller
from functions.auth.repository import audit, tables
from functions.auth.schemas import UserPatch
from hearth.http.auth import LOCAL_OWNER
from tests.support.auth import ADMIN, PASSWORD, SETUP_TOKEN, Harness, run_concurrently

# ---- keys ----


def test_initially_there_are_no_keys(harness: Harness) -> None:
    admin = harness.administrator()

    assert harness.call("GET", "/keys", token=admin).body == {"keys": [], "next_cursor": None}


def test_a_key_is_shown_once_and_never_stored(harness: Harness) -> None:
    admin = harness.administrator()
    made = harness.key(admin, expires_in_days=30)

    (listed,) = harness.call("GET", "/keys", token=admin).body["keys"]

    assert made["key"].startswith(f"hk_{made['id']}_")
    assert listed == {name: value for name, value in made.items() if name != "key"}
    for table in (tables.api_keys, tables.audit):
        rows = harness.db.read(lambda tx, t=table: tx.execute(select(t)).all())  # type: ignore[misc]
        assert len(rows) > 0
        assert made["key"].rsplit("_", 1)[1] not in str(rows)


def test_keys_are_listed_in_pages_newest_first(harness: Harness) -> None:
    admin = harness.administrator()
    made = [harness.key(admin, name=f"key {n}")["id"] for n in range(5)]

    first = harness.call("GET", "/keys", token=admin, limit=3).body
    rest = harness.call("GET", "/keys", token=admin, limit=3, cursor=first["next_cursor"]).body

    assert {key["id"] for key in first["keys"] + rest["keys"]} == set(made)
    assert rest["next_cursor"] is None
    assert harness.call("GET", "/keys", token=admin, cursor="x").status == 400


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


def test_a_key_has_a_name_and_permissions_of_its_creator(harness: Harness) -> None:
    admin = harness.administrator()
    harness.user(admin)
    token = harness.log_in("bob@example.org")["access_token"]

    statuses = [harness.call("POST", "/keys", wanted, token=token).status for wanted, _ in KEYS]

    assert statuses == [status for _, status in KEYS]


def test_an_api_key_cannot_create_keys_and_rotates_only_itself(harness: Harness) -> None:
    admin = harness.administrator()
    one, other = harness.key(admin), harness.key(admin)

    assert harness.call("POST", "/keys", {"name": "x"}, token=one["key"]).status == 403
    assert harness.call("POST", f"/keys/{other['id']}/rotate", token=one["key"]).status == 403
    assert harness.call("POST", f"/keys/{one['id']}/rotate", token=one["key"]).status == 200
    assert harness.call("POST", "/logout", token=other["key"]).status == 409


def test_another_user_s_keys_do_not_exist_except_for_administrators(harness: Harness) -> None:
    admin = harness.administrator()
    harness.user(admin)
    bob = harness.log_in("bob@example.org")["access_token"]
    mine, theirs = harness.key(bob), harness.key(admin)

    for key_id in (theirs["id"], "unknown"):
        assert harness.call("DELETE", f"/keys/{key_id}", token=bob).status == 404
        assert harness.call("POST", f"/keys/{key_id}/rotate", token=bob).status == 404
    assert harness.call("GET", "/keys", token=bob, user_id=theirs["user_id"]).status == 404
    listed = harness.call("GET", "/keys", token=admin, user_id=mine["user_id"]).body["keys"]
    assert [key["id"] for key in listed] == [mine["id"]]
    # Whoever holds the new secret acts for its owner, so that is not even an administrator's.
    assert harness.call("POST", f"/keys/{mine['id']}/rotate", token=admin).status == 404
    assert harness.call("DELETE", f"/keys/{mine['id']}", token=admin).status == 204


def test_a_revoked_key_cannot_be_rotated(harness: Harness) -> None:
    admin = harness.administrator()
    key = harness.key(admin)
    for _ in range(2):
        assert harness.call("DELETE", f"/keys/{key['id']}", token=admin).status == 204

    assert harness.call("POST", f"/keys/{key['id']}/rotate", token=admin).status == 409


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


def test_an_invalid_user_is_refused_and_its_password_not_disclosed(
    harness: Harness,
) -> None:
    admin = harness.administrator()
    for wanted in MALFORMED:
        body = {"email": "carol@example.org", "password": PASSWORD, **wanted}
        answer = harness.call("POST", "/users", body, token=admin)
        assert (answer.status, answer.code) == (400, "VALIDATION_ERROR"), wanted
        assert str(body["password"]) not in str(answer.body)


def test_users_are_listed_shown_changed_and_deleted(harness: Harness) -> None:
    admin = harness.administrator()
    bob = harness.user(admin, role="guest")

    listed = harness.call("GET", "/users", token=admin).body["users"]
    assert [user["email"] for user in listed] == ["bob@example.org", ADMIN]
    changed = harness.call("PATCH", f"/users/{bob}", {"role": "developer"}, token=admin).body
    assert changed["role"] == "developer"
    assert harness.call("GET", f"/users/{bob}", token=admin).body == changed
    assert harness.call("DELETE", f"/users/{bob}", token=admin).status == 204
    for method in ("GET", "DELETE"):
        assert harness.call(method, f"/users/{bob}", token=admin).status == 404
    assert harness.call("PATCH", f"/users/{bob}", {}, token=admin).status == 404
    assert harness.user(admin)  # the address is free again


def test_an_e_mail_address_belongs_to_one_user(harness: Harness) -> None:
    admin = harness.administrator()
    wanted = {"email": "ADA@example.org", "password": PASSWORD}

    assert harness.call("POST", "/users", wanted, token=admin).status == 409


@pytest.mark.parametrize("patch", [{"role": "user"}, {"disabled": True}, None])
def test_the_last_administrator_cannot_be_removed(
    harness: Harness, patch: dict[str, Any] | None
) -> None:
    admin = harness.administrator()
    ada = harness.call("GET", "/me", token=admin).body["id"]
    other = harness.user(admin, role="admin")
    harness.call("PATCH", f"/users/{other}", {"disabled": True}, token=admin)

    def end() -> int:
        if patch is None:
            return harness.call("DELETE", f"/users/{ada}", token=admin).status
        return harness.call("PATCH", f"/users/{ada}", patch, token=admin).status

    assert end() == 409
    harness.call("PATCH", f"/users/{other}", {"disabled": False}, token=admin)
    assert end() in (200, 204)


def test_of_two_administrators_who_remove_each_other_one_stays(harness: Harness) -> None:
    admin = harness.administrator()
    ada = harness.call("GET", "/me", token=admin).body["id"]
    bob = harness.user(admin, role="admin")
    change = harness.services.accounts.change_user
    caller = Caller(LOCAL_OWNER, "")

    answers = run_concurrently(
        partial(change, caller, ada, UserPatch(role="user")),
        partial(change, caller, bob, UserPatch(disabled=True)),
    )

    assert sorted(getattr(answer, "status", 200) for answer in answers) == [200, 409]


# ---- audit ----


def test_the_audit_log_records_who_did_what_and_no_secrets(harness: Harness) -> None:
    harness.call("POST", "/register", {"email": ADMIN, "password": PASSWORD})
    user_id = harness.set_up()
    tokens = harness.log_in()
    admin = tokens["access_token"]
    harness.call("POST", "/login", {"email": ADMIN, "password": "not the password at all"})
    harness.call("POST", "/login", {"email": "typed my password", "password": "x"})
    harness.call("POST", "/login", {"email": "my-password@here", "password": "x"})
    key = harness.key(admin, name="backup")
    harness.call("POST", f"/keys/{key['id']}/rotate", token=admin)
    harness.call("DELETE", f"/keys/{key['id']}", token=admin)
    bob = harness.user(admin)
    harness.call("PATCH", f"/users/{bob}", {"role": "guest", "password": PASSWORD}, token=admin)
    harness.call("DELETE", f"/users/{bob}", token=admin)

    assert harness.audited(admin) == [
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
    entries = harness.call("GET", "/audit", token=admin, limit=100).body["entries"]
    assert {entry["address"] for entry in entries} == {harness.address}
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


def test_the_audit_log_is_filtered_by_actor_and_action_in_pages(harness: Harness) -> None:
    user_id = harness.set_up()
    admin = harness.log_in()["access_token"]
    harness.call("POST", "/login", {"email": "eve@example.org", "password": "x"})

    assert harness.audited(admin, action="register") == [("register", "done", "setup")]
    assert len(harness.audited(admin, actor_id=user_id)) == 2
    page = harness.call("GET", "/audit", token=admin, limit=2).body
    rest = harness.call("GET", "/audit", token=admin, limit=2, cursor=page["next_cursor"]).body
    assert len(page["entries"]) + len(rest["entries"]) == 3


def test_nothing_changes_or_deletes_an_entry(harness: Harness) -> None:
    public = {name for name in vars(audit) if name.endswith("_audit")}

    assert public == {"add_audit", "list_audit"}


def test_a_developer_may_not_read_the_audit_log(harness: Harness) -> None:
    admin = harness.administrator()
    harness.user(admin, role="developer")
    token = harness.log_in("bob@example.org")["access_token"]

    assert harness.call("GET", "/audit", token=token).status == 403


BODIES = [
    ('{"email": "a@b.c", "password": ' + "[" * 40 + "]" * 40 + "}", 400),
    ('{"email": "a@b.c"', 400),
    ('{"email": "a@b.c", "password": "a heron \\ud800 in the brook"}', 400),
    ("[]", 400),
    ("null", 400),
    ('{"email": ["a@b.c"], "password": {"$ne": ""}}', 400),
    ('{"email": "a@b.c", "password": "' + "x" * (1024 * 1024) + '"}', 413),
]


def test_an_invalid_log_in_body_is_refused(harness: Harness) -> None:
    statuses = [harness.call("POST", "/login", body).status for body, _ in BODIES]

    assert statuses == [status for _, status in BODIES]
