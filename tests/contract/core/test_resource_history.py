"""Secrets, history and events of a resource, on SQLite and PostgreSQL."""

from __future__ import annotations

import json

import pytest

from hearth.db import Database
from tests.support.resource_bench import ANA, ResourceBench


@pytest.fixture
def bench(db: Database) -> ResourceBench:
    return ResourceBench(db)


def everything_said(bench: ResourceBench) -> str:
    """All that a caller, a subscriber or a reader of the database's other tables could see."""
    row_id = bench.ask("GET").json()["items"][0]["id"]
    answers = [bench.ask("GET", path).text for path in ("", f"/{row_id}", f"/{row_id}/history")]
    jobs = [json.dumps(job.payload) for job in bench.ledger.list(limit=100).jobs]
    tables = ("gadgets", "resource_changes", *_requests(bench.db))
    rows = [
        str(bench.db.read(lambda tx, t=table: tx.exec_driver_sql(f"SELECT * FROM {t}").all()))  # noqa: S608
        for table in tables
    ]
    return "\n".join([*answers, *jobs, *rows])


def _requests(db: Database) -> list[str]:
    from sqlalchemy import inspect

    names = db.read(lambda tx: inspect(tx).get_table_names())
    return [name for name in names if "request" in name or "idempotency" in name]


def test_a_secret_is_kept_and_never_told(
    bench: ResourceBench, caplog: pytest.LogCaptureFixture
) -> None:
    answer = bench.ask(
        "POST", "", {"name": "Lamp", "password": "hush1"}, headers={"Idempotency-Key": "k"}
    )
    made = answer.json()
    assert "password" not in made
    assert [row["password"] for row in bench.service.every()] == ["hush1"]
    changed = bench.ask("PATCH", f"/{made['id']}", {"password": "hush2"})
    assert changed.json()["version"] == 2, "a new secret is a change"
    assert [row["password"] for row in bench.service.every()] == ["hush2"]
    wrong = bench.ask("PATCH", f"/{made['id']}", {"password": "hush3\x00", "count": "x"})
    assert wrong.status_code == 400
    entry = bench.ask("GET", f"/{made['id']}/history").json()["items"][0]
    assert entry["changes"] == [{"field": "password", "old": None, "new": None}]
    assert bench.events("updated")[0]["changed"] == ["password"]
    assert "hush" not in everything_said(bench) + caplog.text + answer.text + wrong.text
    bench.ask("PATCH", f"/{made['id']}", {"password": None})
    assert "password" not in next(iter(bench.service.every()))
    bench.ask("PATCH", f"/{made['id']}", {"password": "hush4"})
    bench.ask("DELETE", f"/{made['id']}")
    query = "SELECT count(*) FROM resource_secrets"
    assert bench.db.read(lambda tx: tx.exec_driver_sql(query).scalar_one()) == 0


def test_the_history_tells_who_changed_what_when(bench: ResourceBench) -> None:
    made = bench.make(bought_at="2026-11-01T09:00:00+01:00")
    bench.clock.advance(60)
    bench.ask("PATCH", f"/{made['id']}", {"name": "Torch", "bought_at": None})
    path = f"/{made['id']}/history"
    latest, first = bench.ask("GET", path).json()["items"]
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
    page = bench.ask("GET", path, limit=1).json()
    assert [entry["version"] for entry in page["items"]] == [2]
    page = bench.ask("GET", path, limit=1, cursor=page["next_cursor"]).json()
    assert ([entry["version"] for entry in page["items"]], page["next_cursor"]) == ([1], None)
    assert bench.ask("GET", path, cursor="x").status_code == 400


def test_the_history_is_bounded(bench: ResourceBench) -> None:
    made = bench.make()
    changes = [{"id": made["id"], "changes": {"count": n}} for n in range(1, 101)]
    bench.ask("PATCH", "/bulk", {"items": changes})
    bench.ask("PATCH", "/bulk", {"items": [c | {"changes": {"notes": str(c)}} for c in changes]})
    query = "SELECT count(*), min(version), max(version) FROM resource_changes"
    assert bench.db.read(lambda tx: tuple(tx.exec_driver_sql(query).one())) == (100, 102, 201)
    bench.ask("DELETE", f"/{made['id']}")
    bench.clock.advance(366 * 86_400)
    other = bench.make("Other")
    bench.ask("DELETE", f"/{other['id']}")
    query = "SELECT count(*), min(action) FROM resource_changes"
    assert bench.db.read(lambda tx: tuple(tx.exec_driver_sql(query).one())) == (1, "deleted")


def test_what_happens_is_published(bench: ResourceBench) -> None:
    made = bench.make()
    bench.ask("PATCH", f"/{made['id']}", {"count": 3})
    bench.ask("DELETE", f"/{made['id']}")
    [created], [updated], [deleted] = map(bench.events, ("created", "updated", "deleted"))
    expected = {
        "id": made["id"],
        "owner_id": ANA.id,
        "changed_by": ANA.id,
        "changed_at": "2026-11-02T07:30:00Z",
    }
    assert updated == expected | {"version": 2, "changed": ["count"]}
    assert deleted == expected | {"version": 3, "changed": []}
    assert {"name", "password"} <= set(created["changed"])
    assert bench.ask("POST", "", {"name": "reserved"}).status_code == 409
    assert len(bench.events("created")) == 1, "what is rejected is not published"
