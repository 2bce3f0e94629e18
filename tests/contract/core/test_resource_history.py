"""Secrets, history and events of a resource, on SQLite and PostgreSQL."""

from __future__ import annotations

import json

import pytest

from hearth.db import Database
from tests.support.resource_harness import ANA, ResourceHarness


@pytest.fixture
def harness(db: Database) -> ResourceHarness:
    return ResourceHarness(db)


def everything_said(harness: ResourceHarness) -> str:
    """All that a caller, a subscriber or a reader of the database's other tables could see."""
    row_id = harness.ask("GET").json()["items"][0]["id"]
    answers = [harness.ask("GET", path).text for path in ("", f"/{row_id}", f"/{row_id}/history")]
    jobs = [json.dumps(job.payload) for job in harness.ledger.list(limit=100).jobs]
    tables = ("gadgets", "resource_changes", *_requests(harness.db))
    rows = [
        str(harness.db.read(lambda tx, t=table: tx.exec_driver_sql(f"SELECT * FROM {t}").all()))  # noqa: S608
        for table in tables
    ]
    return "\n".join([*answers, *jobs, *rows])


def _requests(db: Database) -> list[str]:
    from sqlalchemy import inspect

    names = db.read(lambda tx: inspect(tx).get_table_names())
    return [name for name in names if "request" in name or "idempotency" in name]


def test_a_secret_is_kept_and_never_told(
    harness: ResourceHarness, caplog: pytest.LogCaptureFixture
) -> None:
    answer = harness.ask(
        "POST", "", {"name": "Lamp", "password": "hush1"}, headers={"Idempotency-Key": "k"}
    )
    made = answer.json()
    assert "password" not in made
    assert [row["password"] for row in harness.service.every()] == ["hush1"]
    changed = harness.ask("PATCH", f"/{made['id']}", {"password": "hush2"})
    assert changed.json()["version"] == 2, "a new secret is a change"
    assert [row["password"] for row in harness.service.every()] == ["hush2"]
    wrong = harness.ask("PATCH", f"/{made['id']}", {"password": "hush3\x00", "count": "x"})
    assert wrong.status_code == 400
    entry = harness.ask("GET", f"/{made['id']}/history").json()["items"][0]
    assert entry["changes"] == [{"field": "password", "old": None, "new": None}]
    assert harness.events("updated")[0]["changed"] == ["password"]
    assert "hush" not in everything_said(harness) + caplog.text + answer.text + wrong.text
    harness.ask("PATCH", f"/{made['id']}", {"password": None})
    assert "password" not in next(iter(harness.service.every()))
    harness.ask("PATCH", f"/{made['id']}", {"password": "hush4"})
    harness.ask("DELETE", f"/{made['id']}")
    query = "SELECT count(*) FROM resource_secrets"
    assert harness.db.read(lambda tx: tx.exec_driver_sql(query).scalar_one()) == 0


def test_the_history_tells_who_changed_what_when(harness: ResourceHarness) -> None:
    made = harness.make(bought_at="2026-11-01T09:00:00+01:00")
    harness.clock.advance(60)
    harness.ask("PATCH", f"/{made['id']}", {"name": "Torch", "bought_at": None})
    path = f"/{made['id']}/history"
    latest, first = harness.ask("GET", path).json()["items"]
    assert first == {
        "version": 1,
        "action": "created",
        "changed_by": ANA.id,
        "changed_at": "2026-11-02T07:30:00Z",
        "changes": [],
    }
    assert (latest["version"], latest["action"]) == (2, "updated")
    assert latest["changed_at"] == "2026-11-02T07:31:00Z"
    assert {entry["field"]: (entry["old"], entry["new"]) for entry in latest["changes"]} == {
        "name": ("Lamp", "Torch"),
        "slug": ("lamp", "torch"),
        "bought_at": ("2026-11-01T08:00:00.000000Z", None),
    }
    page = harness.ask("GET", path, limit=1).json()
    assert [entry["version"] for entry in page["items"]] == [2]
    page = harness.ask("GET", path, limit=1, cursor=page["next_cursor"]).json()
    assert ([entry["version"] for entry in page["items"]], page["next_cursor"]) == ([1], None)
    assert harness.ask("GET", path, cursor="x").status_code == 400


def test_the_history_is_bounded(harness: ResourceHarness) -> None:
    made = harness.make()
    changes = [{"id": made["id"], "changes": {"count": n}} for n in range(1, 101)]
    harness.ask("PATCH", "/bulk", {"items": changes})
    harness.ask("PATCH", "/bulk", {"items": [c | {"changes": {"notes": str(c)}} for c in changes]})
    query = "SELECT count(*), min(version), max(version) FROM resource_changes"
    assert harness.db.read(lambda tx: tuple(tx.exec_driver_sql(query).one())) == (100, 102, 201)
    harness.ask("DELETE", f"/{made['id']}")
    harness.clock.advance(366 * 86_400)
    other = harness.make("Other")
    harness.ask("DELETE", f"/{other['id']}")
    query = "SELECT count(*), min(action) FROM resource_changes"
    assert harness.db.read(lambda tx: tuple(tx.exec_driver_sql(query).one())) == (1, "deleted")


def test_what_happens_is_published(harness: ResourceHarness) -> None:
    made = harness.make()
    harness.ask("PATCH", f"/{made['id']}", {"count": 3})
    harness.ask("DELETE", f"/{made['id']}")
    [created], [updated], [deleted] = map(harness.events, ("created", "updated", "deleted"))
    expected = {
        "id": made["id"],
        "owner_id": ANA.id,
        "changed_by": ANA.id,
        "changed_at": "2026-11-02T07:30:00Z",
    }
    assert updated == expected | {"version": 2, "changed": ["count"]}
    assert deleted == expected | {"version": 3, "changed": []}
    assert {"name", "password"} <= set(created["changed"])
    assert harness.ask("POST", "", {"name": "reserved"}).status_code == 409
    assert len(harness.events("created")) == 1, "what is rejected is not published"
