"""Rows created in bulk through a resource, against SQLAlchemy's executemany of the same rows.

    .venv/bin/python -m tests.performance.resource_bulk [--rows 10000]

Both insert 100 rows a transaction, in turns in one run, on SQLite and on PostgreSQL; the resource
also validates the request, asks the capability's rules, counts rows and publishes events.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import psycopg
from sqlalchemy import delete

from hearth.db import Database
from hearth.ids import new_ulid, utc_now
from hearth.ledger.events import Publisher
from hearth.ledger.ledger import Ledger
from hearth.migrations import upgrade
from hearth.resource.declaration import MAX_BULK
from hearth.resource.service import ResourceService
from hearth.resource.table import table_of
from tests.support.fakes import MemoryQueues
from tests.support.postgres import postgres_server
from tests.support.resources import gadgets, prepare

GADGETS = gadgets(max_rows=1_000_000)
TABLE = table_of(GADGETS)
ROUNDS = 3
DEFAULTS: dict[str, Any] = {field.name: None for field in GADGETS.stored} | {
    **{"owner_id": "ana", "version": 1, "color": "red", "enabled": True}
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        compare(f"sqlite:///{folder}/hearth.db", rows)
    with postgres_server() as server:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute("CREATE DATABASE bulk")
        compare(f"{server}/bulk", rows)


def compare(url: str, rows: int) -> None:
    """Print rows a second of both, and their ratio, for each round."""
    upgrade(url)
    db = Database(url)
    db.write(TABLE.metadata.create_all)
    calls = [
        [
            {"name": f"g{call}-{n}", "notes": "some words", "count": n, "weight": 1.5}
            for n in range(MAX_BULK)
        ]
        for call in range(rows // MAX_BULK)
    ]
    for _ in range(ROUNDS):
        seconds = [timed(db, calls, by) for by in (insert_plain, insert_resource)]
        plain, resource = (rows / one for one in seconds)
        print(
            f"{url.partition(':')[0]}: executemany {plain:,.0f} rows/s, "
            f"resource {resource:,.0f} rows/s, {resource / plain:.0%}"
        )
    db.close()


def timed(db: Database, calls: list[list[dict[str, Any]]], by: Any) -> float:
    db.write(lambda tx: tx.execute(delete(TABLE)))
    began = time.perf_counter()
    by(db, calls)
    return time.perf_counter() - began


def insert_plain(db: Database, calls: list[list[dict[str, Any]]]) -> None:
    for call in calls:
        now = utc_now()
        rows = [
            DEFAULTS
            | given
            | {"id": new_ulid(), "created_at": now, "updated_at": now, "slug": given["name"]}
            for given in call
        ]
        db.write(lambda tx, rows=rows: tx.execute(TABLE.insert(), rows))  # type: ignore[misc]


def insert_resource(db: Database, calls: list[list[dict[str, Any]]]) -> None:
    ledger = Ledger(db, MemoryQueues(), publisher=Publisher("core", {}))
    service = ResourceService(GADGETS, ledger, prepare)
    for call in calls:
        answer, _ = service.bulk_create("ana", service.models.bulk_create(items=call))
        assert answer.failed == 0


if __name__ == "__main__":
    main()
