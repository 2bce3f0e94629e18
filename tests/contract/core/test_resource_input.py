"""What a resource rejects, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from hearth.db import Database
from tests.support.resource_harness import ResourceHarness


@pytest.fixture
def harness(db: Database) -> ResourceHarness:
    return ResourceHarness(db)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"name": ""}',
        b'{"name": " "}',
        b'{"name": null}',
        b'{"name": 5}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\nb"}',
        b'{"name": "' + b"x" * 81 + b'"}',
        b'{"name": "x", "count": -1}',
        b'{"name": "x", "count": 2147483648}',
        b'{"name": "x", "count": true}',
        b'{"name": "x", "count": "5"}',
        b'{"name": "x", "weight": NaN}',
        b'{"name": "x", "weight": 1e999}',
        b'{"name": "x", "enabled": 1}',
        b'{"name": "x", "color": "blue"}',
        b'{"name": "x", "bought_at": "2026-11-02"}',
        b'{"name": "x", "bought_at": 5}',
        b'{"name": "x", "shape": {"corners": "x"}}',
        b'{"name": "x", "shape": {"corners": 1, "more": 1}}',
        b'{"name": "x", "notes": "\\u0001"}',
        b'{"name": "x", "slug": "mine"}',
        b'{"name": "x", "id": "01J00000000000000000000000"}',
        b'{"name": "x", "owner_id": "ben"}',
        b'{"name": "x", "version": 9}',
        b'{"name": "x", "unknown": 1}',
        b'{"name": "x", "password": 5}',
    ],
)
def test_a_body_that_is_wrong_is_rejected(harness: ResourceHarness, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = harness.ask("POST", "", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    items = b'{"items": [' + body + b"]}"
    assert harness.ask("POST", "/bulk", content=items, headers=headers).status_code == 400
    assert harness.ask("PUT", "/bulk", content=items, headers=headers).status_code == 400
    assert harness.names() == []


def test_an_integer_may_be_written_with_a_point(harness: ResourceHarness) -> None:
    headers = {"Content-Type": "application/json"}
    answer = harness.ask("POST", "", content=b'{"name": "x", "count": 3.0}', headers=headers)
    assert (answer.status_code, answer.json()["count"]) == (201, 3)
    answer = harness.ask("POST", "", content=b'{"name": "y", "count": 3.5}', headers=headers)
    assert answer.status_code == 400


def test_a_shape_is_bounded_in_bytes(harness: ResourceHarness) -> None:
    answer = harness.ask("POST", "", {"name": "x", "shape": {"corners": 1, "note": "é" * 16_000}})
    assert answer.status_code == 400
    assert "shape must have at most 16384 bytes" in answer.json()["error"]["message"]


def test_what_is_fixed_stays(harness: ResourceHarness) -> None:
    made = harness.make(serial="A1")
    assert harness.ask("PATCH", f"/{made['id']}", {"serial": "A2"}).status_code == 400
    items = [{"name": "Lamp", "serial": "A2"}, {"name": "Lamp", "serial": "A1", "count": 2}]
    answer = harness.ask("PUT", "/bulk", {"items": items}).json()["items"]
    assert [item["status"] for item in answer] == [400, 200]


def test_a_bulk_call_is_bounded(harness: ResourceHarness) -> None:
    for items in ([], [{"name": f"g{n}"} for n in range(101)]):
        assert harness.ask("POST", "/bulk", {"items": items}).status_code == 400
    full = [{"name": f"g{n}"} for n in range(100)]
    assert harness.ask("POST", "/bulk", {"items": full}).json()["succeeded"] == 100
