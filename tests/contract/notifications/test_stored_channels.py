"""Channels that administrators add over HTTP, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from functions.notifications.api import create_app
from functions.notifications.channels import Hook
from functions.notifications.stored_channels import STORED_CHANNELS, ChannelDirectory
from hearth.http.app import lambda_handler_for
from hearth.http.auth import Role
from hearth.resource.table import schema_differences
from tests.contract.notifications.conftest import Harness
from tests.contract.notifications.test_http import call
from tests.support.callers import caller
from tests.support.events import load_event
from tests.support.fakes import LambdaContext

HUSH = "https://hooks.example.org/hush?secret=whsec_aHVzaGh1c2hodXNoaHVzaGh1c2hodXNo"


def add(harness: Harness, name: str = "ops", address: str = HUSH, **fields: Any) -> dict[str, Any]:
    body = {"name": name, "address": address, **fields}
    status, answer = call(harness, "POST", "/channels", body=body)
    assert status == 201, answer
    row: dict[str, Any] = answer
    return row


def test_the_table_is_what_the_declaration_says(harness: Harness) -> None:
    assert harness.db.read(lambda tx: schema_differences(tx, STORED_CHANNELS)) == []


def test_the_recorded_event_adds_a_channel(harness: Harness) -> None:
    handler = lambda_handler_for(create_app(harness.service))
    answer = handler(load_event("notifications/http_api_add_channel"), LambdaContext())
    assert answer["statusCode"] == 201
    assert harness.directory.all()["ops"].events == ("safety.*",)


def test_a_row_is_a_channel_beside_the_configured_ones(harness: Harness) -> None:
    row = add(harness, address=HUSH + "&events=safety.*&urgent=safety.violation.*")
    assert (row["kind"], row["host"]) == ("webhook", "hooks.example.org")
    assert (row["events"], row["urgent"]) == (["safety.*"], ["safety.violation.*"])
    _, listed = call(harness, path="/channels")
    assert [(one["name"], one["id"]) for one in listed["channels"]] == [
        ("a", None),
        ("ops", row["id"]),
    ]
    harness.publish(harness.violation())
    assert sorted(name for name, _ in harness.recorder.sent) == ["a", "ops"]
    [channel] = ChannelDirectory((), harness.ledger).all().values()
    assert isinstance(channel.target, Hook)
    assert channel.target.url == "https://hooks.example.org/hush"


def test_an_address_is_never_answered(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    row = add(harness)
    path = f"/channels/{row['id']}"
    said = [call(harness, path=p) for p in ("/channels", path, f"{path}/history")]
    said.append(call(harness, "PATCH", path, body={"address": HUSH + "x"}))
    said.append(call(harness, "PATCH", path, body={"address": "gopher://u:hush@b/"}))
    said.append(call(harness, "PATCH", path, body={"address": "https://b.example.org/hush2"}))
    assert [status for status, _ in said] == [200, 200, 200, 400, 400, 200]
    rows = harness.db.read(
        lambda tx: (
            str(tx.exec_driver_sql("SELECT * FROM notification_stored_channels").all())
            + str(tx.exec_driver_sql("SELECT * FROM resource_changes").all())
        )
    )
    assert "hush" not in str(said) + rows + caplog.text


def test_a_changed_a_disabled_and_a_deleted_row_count_at_once(harness: Harness) -> None:
    row = add(harness)
    path = f"/channels/{row['id']}"
    changed = call(harness, "PATCH", path, body={"address": "mailto:ops@example.org"})[1]
    assert (changed["kind"], changed["host"], changed["version"]) == ("mail", "example.org", 2)
    call(harness, "PATCH", path, body={"enabled": False})
    harness.publish(harness.violation())
    assert [name for name, _ in harness.recorder.sent] == ["a"]
    assert [one["enabled"] for one in call(harness, path="/channels")[1]["channels"]] == [
        True,
        False,
    ]
    call(harness, "PATCH", path, body={"enabled": True, "name": "renamed"})
    harness.publish(harness.violation(revision=2, camera="other"))
    assert {name for name, _ in harness.recorder.sent} == {"a", "renamed"}
    assert call(harness, "DELETE", path)[0] == 200
    harness.publish(harness.violation(revision=3, camera="third"))
    assert [name for name, _ in harness.recorder.sent].count("renamed") == 1


def test_names_are_unique_among_rows_and_configured_channels(harness: Harness) -> None:
    row = add(harness)
    for name in ("a", "ops"):
        body = {"name": name, "address": HUSH}
        assert call(harness, "POST", "/channels", body=body)[0] == 409
    assert call(harness, "PATCH", f"/channels/{row['id']}", body={"name": "a"})[0] == 409
    # A name that is configured later hides the row.
    harness.addresses += " http://localhost/b?name=ops"
    assert harness.directory.all()["ops"].host == "localhost"
    assert len(call(harness, path="/channels")[1]["channels"]) == 3


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("gopher://b/", "is not a kind that is known"),
        ("https://", "it has no host"),
        ("http://example.org/x", "not in it"),
        ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "this machine"),
        ("https://127.1/", "this machine"),
        ("https://2130706433/", "this machine"),
        ("https://[::ffff:127.0.0.1]/", "this machine"),
        ("https://[::1]/", "this machine"),
        ("http://localhost/", "this machine"),
        ("http://x.localhost/", "this machine"),
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("mqtt://0.0.0.0/topic", "this machine"),
    ],
)
def test_an_address_that_is_none_is_rejected(harness: Harness, address: str, why: str) -> None:
    status, answer = call(harness, "POST", "/channels", body={"name": "x", "address": address})
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert why in answer["error"]["message"]


def test_only_who_may_write_notifications_changes_channels(harness: Harness) -> None:
    row = add(harness)
    user = caller(Role.USER)
    assert call(harness, path=f"/channels/{row['id']}", principal=user)[0] == 200
    for method, path in (("POST", "/channels"), ("PATCH", f"/channels/{row['id']}"),
                         ("DELETE", f"/channels/{row['id']}")):  # fmt: skip
        body = {"name": "x", "address": HUSH} if method != "DELETE" else None
        assert call(harness, method, path, body=body, principal=user)[0] == 403


def test_a_test_message_goes_to_a_row_too(harness: Harness) -> None:
    add(harness)
    assert call(harness, "POST", "/test", body={"channel": "ops"})[0] == 202
    harness.run()
    assert [name for name, _ in harness.recorder.sent] == ["ops"]


def test_a_row_for_e_mail_without_a_server_fails_with_the_remedy(harness: Harness) -> None:
    add(harness, address="mailto:ops@example.org")
    harness.senders = {"webhook": harness.recorder}
    harness.publish(harness.violation())
    errors = {one.channel: one.error for one in harness.notifications()[0].deliveries}
    assert errors == {
        "a": None,
        "ops": "e-mail needs SMTP_URL and EMAIL_FROM; set them, then retry",
    }
