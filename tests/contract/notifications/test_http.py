"""`/api/v1/notifications`, from API Gateway's event to its answer, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.notifications.api import create_app
from functions.notifications.senders import ChannelRefused
from hearth.http.app import lambda_handler_for
from hearth.http.auth import Principal, Role
from tests.contract.notifications.conftest import ALICE, BOB, Harness
from tests.support.callers import caller, request_context
from tests.support.events import load_event
from tests.support.fakes import LambdaContext
from tests.support.shared_app import SharedApp

HUSH = (
    "slack+https://hooks.example.org/services/hush?name=a&events=safety.*&urgent=safety.* "
    "mqtt://user:hush@broker.lan/hearth?name=b"
)


def call(
    harness: Harness,
    method: str = "GET",
    path: str = "",
    *,
    query: str = "",
    body: Any = None,
    principal: Principal | None = None,
    anonymous: bool = False,
) -> tuple[int, Any]:
    event = load_event("notifications/http_api_test_one_channel")
    event |= {"rawPath": f"/api/v1/notifications{path}", "rawQueryString": query}
    event["requestContext"]["http"] |= {"method": method, "path": event["rawPath"]}
    event["requestContext"]["authorizer"] = request_context(
        None if anonymous else principal or caller()
    ).get("authorizer")
    event["body"] = json.dumps(body) if body is not None else None
    answer = lambda_handler_for(SharedApp(create_app, harness.service))(event, LambdaContext())
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("name", ["http_api_list", "http_api_channels"])
def test_the_recorded_events_are_answered(harness: Harness, name: str) -> None:
    handler = lambda_handler_for(SharedApp(create_app, harness.service))
    answer = handler(load_event(f"notifications/{name}"), LambdaContext())
    assert answer["statusCode"] == 200
    assert harness.deliver("x") == {"batchItemFailures": []}
    event = load_event("notifications/sqs_hint_of_a_message")
    assert harness.deliver(event["Records"][0]["body"]) == {"batchItemFailures": []}


def test_without_notifications_the_list_is_empty(harness: Harness) -> None:
    assert call(harness) == (200, {"notifications": [], "next_cursor": None})


def test_a_notification_is_shown_with_its_deliveries_and_attempts(harness: Harness) -> None:
    harness.publish(harness.violation())
    status, listed = call(harness)
    [one] = listed["notifications"]
    assert call(harness, path=f"/{one['id']}") == (200, one)
    assert status == 200
    assert one["type"] == "safety.violation.detected"
    [delivery] = one["deliveries"]
    assert (delivery["channel"], delivery["state"]) == ("a", "sent")
    assert [a["outcome"] for a in delivery["attempts"]] == ["sent"]


def test_the_list_pages_newest_first_and_is_filtered_by_type(harness: Harness) -> None:
    for n in range(5):
        harness.publish(harness.due(reminder=str(n)))
        harness.clock.advance(1)
    harness.publish(harness.violation())
    seen, cursor = [], ""
    while True:
        _, page = call(harness, query=f"type=task.due&limit=2{cursor}")
        seen += [one["details"]["reminder"] for one in page["notifications"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["4", "3", "2", "1", "0"]
    assert call(harness, query="cursor=nonsense")[0] == 400


def test_channels_are_listed_without_their_secrets(harness: Harness) -> None:
    harness.addresses = HUSH
    status, answer = call(harness, path="/channels", principal=caller(Role.USER))
    assert status == 200
    assert "hush" not in json.dumps(answer)
    configured = {"enabled": True, "id": None, "version": None}
    assert answer["channels"] == [
        {
            "name": "a",
            "kind": "slack",
            "host": "hooks.example.org",
            "events": ["safety.*"],
            "urgent": ["safety.*"],
            **configured,
        },
        {
            "name": "b",
            "kind": "mqtt",
            "host": "broker.lan",
            "events": ["*"],
            "urgent": [],
            **configured,
        },
    ]


def test_a_test_message_goes_to_the_named_channel(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a&events=task.due http://localhost/b?name=b"
    status, answer = call(harness, "POST", "/test", body={"channel": "a"})
    assert (status, [one["state"] for one in answer["deliveries"]]) == (202, ["queued"])
    call(harness, "POST", "/test", body={})
    harness.run()
    assert harness.recorder.titles("a") == ["Test message from Hearth"] * 2
    assert harness.recorder.titles("b") == ["Test message from Hearth"]


@pytest.mark.parametrize(
    ("addresses", "body", "words"),
    [
        ("http://localhost/a?name=a", {"channel": "x"}, "'x' does not exist; there are a"),
        ("", {}, "set NOTIFICATION_CHANNELS"),
        ("http://localhost/a?name=a", {"chanel": "a"}, "chanel"),
        ("http://localhost/a?name=a", [], ""),
    ],
    ids=str,
)
def test_a_test_of_no_channel_is_refused(
    harness: Harness, addresses: str, body: Any, words: str
) -> None:
    harness.addresses = addresses
    status, answer = call(harness, "POST", "/test", body=body)
    assert (status, answer["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert words in json.dumps(answer["error"])


def test_failed_deliveries_are_retried_on_demand(harness: Harness) -> None:
    harness.addresses = "http://localhost/a?name=a http://localhost/b?name=b"
    harness.recorder.errors["a"] = [ChannelRefused("404")]
    harness.publish(harness.violation())
    [found] = harness.notifications()
    status, answer = call(harness, "POST", f"/{found.id}/retry")
    assert (status, [one["state"] for one in answer["deliveries"]]) == (202, ["queued", "sent"])
    harness.run()
    assert harness.states() == ["sent", "sent"]
    assert len(harness.recorder.titles("b")) == 1
    assert call(harness, "POST", f"/{found.id}/retry")[0] == 409


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("GET", "", None, 401),
        ("GET", "", Role.GUEST, 403),
        ("GET", "", Role.USER, 200),
        ("GET", "/channels", Role.GUEST, 403),
        ("POST", "/test", Role.DEVELOPER, 403),
        ("POST", "/test", Role.ADMIN, 202),
        ("POST", "/01KASVZEBRY4C1W9T6P0X2K8M1/retry", Role.DEVELOPER, 403),
        ("POST", "/01KASVZEBRY4C1W9T6P0X2K8M1/retry", Role.ADMIN, 404),
        ("GET", "/01KASVZEBRY4C1W9T6P0X2K8M1", Role.USER, 404),
        ("GET", "/nonsense", Role.USER, 404),
    ],
)
def test_who_may_do_what(
    harness: Harness, method: str, path: str, role: Role | None, status: int
) -> None:
    answer = call(
        harness,
        method,
        path,
        body={} if method == "POST" else None,
        principal=caller(role) if role else None,
        anonymous=role is None,
    )
    assert answer[0] == status


def test_a_user_sees_of_notifications_about_tasks_only_their_own(harness: Harness) -> None:
    carol = "01KASVZEBRY4C1W9T6P0X2K8C1"
    harness.publish(harness.violation(), harness.created(), harness.due())
    seen = {}
    for person, role in ((ALICE, "user"), (BOB, "user"), (carol, "user"), (carol, "developer")):
        _, answer = call(harness, principal=caller(role, person))
        seen[person, role] = {one["type"] for one in answer["notifications"]}
        for one in harness.notifications():
            status, _ = call(harness, path=f"/{one.id}", principal=caller(role, person))
            assert (status == 200) == (one.type in seen[person, role])
    everything = {"safety.violation.detected", "task.created", "task.due"}
    assert seen == {
        (ALICE, "user"): everything - {"task.due"},
        (BOB, "user"): everything,
        (carol, "user"): {"safety.violation.detected"},
        (carol, "developer"): everything,
    }
