"""Events in, over HTTP, on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from functions.analytics.repository.tables import events_table
from hearth.http.auth import Role
from tests.support.callers import caller

if TYPE_CHECKING:
    from tests.contract.analytics.conftest import Harness

VIEW = {"event_type": "page.viewed"}


def kept(harness: Harness) -> int:
    return int(
        harness.db.read(
            lambda tx: tx.execute(select(func.count()).select_from(events_table)).scalar_one()
        )
    )


def test_one_event_is_recorded_and_its_id_returned(harness: Harness) -> None:
    status, body = harness.call("POST", "/events", VIEW)
    assert status == 201
    assert body["success"] is True
    assert body["event_ids"] == [body["event_id"]]
    row = harness.db.read(lambda tx: tx.execute(select(events_table)).one())
    assert row.key == f"user/{caller().id}/{body['event_id']}"
    assert (row.user_id, row.at, row.rolled) == (caller().id, harness.clock(), False)


def test_a_request_of_the_predecessor_is_understood(harness: Harness) -> None:
    status, _ = harness.call(
        "POST",
        "/events",
        {
            "event_type": "task.viewed",
            "user_id": "someone",
            "metadata": {"list": ["a", 1, None]},
            "timestamp": "2026-11-02T08:29:00+01:00",
        },
    )
    assert status == 201
    row = harness.db.read(lambda tx: tx.execute(select(events_table)).one())
    assert (row.user_id, row.metadata) == ("someone", {"list": ["a", 1, None]})
    assert row.at.isoformat() == "2026-11-02T07:29:00+00:00"


def test_a_batch_is_recorded_in_its_order(harness: Harness) -> None:
    ids = harness.record(*({**VIEW, "event_id": f"e-{n}"} for n in range(100)))
    assert ids == [f"e-{n}" for n in range(100)]
    assert kept(harness) == 100


def test_an_event_sent_again_is_counted_once(harness: Harness) -> None:
    event = {**VIEW, "event_id": "mine"}
    assert harness.record(event, event) == ["mine", "mine"]
    assert harness.record(event) == ["mine"]
    harness.roll_up()
    assert harness.record(event) == ["mine"]
    harness.roll_up()
    assert harness.get("/usage")["total"] == 1


def test_the_same_id_of_two_callers_is_two_events(harness: Harness) -> None:
    event = {**VIEW, "event_id": "mine"}
    for user in ("ada", "bob"):
        status, _ = harness.call("POST", "/events", event, caller(Role.USER, user))
        assert status == 201
    assert kept(harness) == 2


def test_recording_for_others_needs_the_permission_to_read(harness: Harness) -> None:
    event = {**VIEW, "user_id": "bob"}
    assert harness.call("POST", "/events", event, caller(Role.USER, "ada"))[0] == 403
    assert harness.call("POST", "/events", event, caller(Role.USER, "bob"))[0] == 201
    assert harness.call("POST", "/events", event, caller(Role.DEVELOPER, "ada"))[0] == 201
    assert kept(harness) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/events"),
        ("GET", "/usage"),
        ("GET", "/errors"),
        ("GET", "/health"),
        ("GET", "/dashboard"),
    ],
)
def test_permissions_of_each_role(harness: Harness, method: str, path: str) -> None:
    def status(who: Any) -> int:
        return harness.call(method, path, VIEW if method == "POST" else None, who)[0]

    assert status(None) == 401
    assert status(caller(Role.GUEST)) == 403
    assert status(caller(Role.USER)) == (201 if method == "POST" else 403)
    assert status(caller(Role.DEVELOPER)) == (201 if method == "POST" else 200)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ({}, 400),
        ({"events": []}, 400),
        ({"events": [VIEW] * 101}, 400),
        ({"events": [VIEW, {}]}, 400),
        ({**VIEW, "more": 1}, 400),
        ({"event_type": ""}, 400),
        ({"event_type": "a" * 101}, 400),
        ({"event_type": "=cmd|' /C calc'!A0"}, 400),
        ({"event_type": "x'; DROP TABLE jobs; --"}, 400),
        ({"event_type": "a\x00"}, 400),
        ({"event_type": "a\n"}, 400),
        ({"event_type": 1}, 400),
        ({**VIEW, "user_id": "a\x00b"}, 400),
        ({**VIEW, "user_id": ""}, 400),
        ({**VIEW, "severity": "fatal"}, 400),
        ({**VIEW, "service": "a b"}, 400),
        ({**VIEW, "event_id": "a/b"}, 400),
        ({**VIEW, "event_id": "a" * 65}, 400),
        ({**VIEW, "timestamp": "yesterday"}, 400),
        ({**VIEW, "timestamp": "2026-11-02"}, 400),
        ({**VIEW, "timestamp": 1793000000}, 400),
        ({**VIEW, "timestamp": "2019-12-31T23:59:59Z"}, 400),
        ({**VIEW, "timestamp": "2026-11-03T07:30:00.000001Z"}, 400),
        ({**VIEW, "timestamp": "0001-01-01T00:00:00+14:00"}, 400),
        ({**VIEW, "timestamp": "9999-12-31T23:59:59-14:00"}, 400),
        ({**VIEW, "metadata": []}, 400),
        ({**VIEW, "metadata": nested(9)}, 400),
        ({**VIEW, "metadata": {"a": "x" * 8192}}, 413),
        ('{"event_type": "a", "metadata": {"a": NaN}}', 400),
        ('{"event_type": "a", "metadata": {"a": 1e999}}', 400),
        ('{"event_type": "a", "metadata": {"a": ' + "9" * 5000 + "}}", 400),
        ('{"event_type": "a", "metadata": ' + '{"a":' * 1000 + "1" + "}" * 1001, 400),
        ('{"event_type": "a", "metadata": {"a": "' + "x" * 10_000_000 + '"}}', 413),
    ],
    ids=lambda value: str(value)[:60] if not isinstance(value, int) else "",
)
def test_an_invalid_event_is_refused_and_nothing_is_recorded(
    harness: Harness, body: Any, status: int
) -> None:
    found, answer = harness.call("POST", "/events", body)
    assert found == status, answer
    assert answer["error"]["code"] in {"VALIDATION_ERROR", "TOO_LARGE"} | {"HTTP_ERROR"}
    assert len(str(answer)) < 5000
    assert kept(harness) == 0


def test_an_invalid_event_rejects_its_whole_batch(harness: Harness) -> None:
    late = {**VIEW, "timestamp": "2027-01-01T00:00:00Z"}
    assert harness.call("POST", "/events", {"events": [VIEW, late]})[0] == 400
    assert kept(harness) == 0


@pytest.mark.parametrize(
    "metadata",
    [{}, nested(8), {"a": 2**64, "b": -(2**63) - 1, "c": 1e308}, {"\x00": "\x00"}, {"a": "\ud800"}],
    ids=lambda value: ascii(value)[:30],
)
def test_unusual_metadata_is_stored_unchanged(harness: Harness, metadata: dict[str, Any]) -> None:
    harness.record({**VIEW, "metadata": metadata})
    found = harness.db.read(lambda tx: tx.execute(select(events_table.c.metadata)).scalar_one())
    assert found == metadata
