"""The sweep's tables, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from functions.sweep.prune import Pruner
from functions.sweep.reconcile import Reconciler
from functions.sweep.repository import Listing, SweepRepository, metadata
from functions.sweep.service import Sweep
from hearth.db import Database
from hearth.frames import frame_key
from hearth.ledger.ledger import Ledger
from hearth.retention import Retention
from tests.support.fakes import Clock, MemoryQueues, MemoryStore

NOW = datetime(2026, 11, 2, 7, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.close()


def test_the_migrated_tables_match_the_code(db: Database) -> None:
    def ours(name: str | None, kind: str, parents: Any) -> bool:
        return kind != "table" or str(name).startswith("sweep_")

    def differences(tx: Connection) -> list[Any]:
        options = {"include_name": ours, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(tx, opts=options), metadata))

    assert db.read(differences) == []


def test_there_is_no_watermark_before_the_first(db: Database) -> None:
    assert db.read(SweepRepository().watermarks) == {}


def test_a_watermark_moves_and_others_stay(db: Database) -> None:
    repository = SweepRepository()
    for camera, key in (("gate", "a"), ("yard", "b"), ("gate", "c")):
        db.write(lambda tx, c=camera, k=key: repository.set_watermark(tx, c, k, NOW))

    assert db.read(repository.watermarks) == {"gate": "c", "yard": "b"}


def test_there_is_no_listing_before_the_first(db: Database) -> None:
    assert db.read(lambda tx: SweepRepository().listing(tx, "frames/")) is None


def test_the_position_of_a_listing_is_saved_until_it_is_finished(db: Database) -> None:
    repository = SweepRepository()
    begun = Listing("frames/gate/a.jpg", started_at=NOW, finished_at=None)
    for listing in (begun, replace(begun, finished_at=NOW + timedelta(hours=1))):
        db.write(lambda tx, kept=listing: repository.set_listing(tx, "frames/", kept))

        assert db.read(lambda tx: repository.listing(tx, "frames/")) == listing


def test_a_failed_transaction_saves_no_position(db: Database) -> None:
    def note(tx: Connection) -> None:
        SweepRepository().set_watermark(tx, "gate", "a", NOW)
        raise RuntimeError("the power fails")

    with pytest.raises(RuntimeError, match="power"):
        db.write(note)

    assert db.read(SweepRepository().watermarks) == {}


def test_a_key_that_the_database_cannot_hold_does_not_stop_the_sweep(db: Database) -> None:
    clock, store = Clock(), MemoryStore()
    ledger = Ledger(db, MemoryQueues(), now=clock)
    frames = Reconciler(ledger, store, SweepRepository(), now=clock)
    sweep = Sweep(ledger, frames, Pruner(ledger, Retention()))
    frame = frame_key("gate", NOW)
    for key in (frame, "frames/gate/zz\x00"):
        store.put(key, b"", "image/jpeg")
        store.times[key] = clock() - timedelta(hours=1)

    assert sweep.run(lambda: 50.0).found == 1
    clock.advance(86_400)
    assert sweep.run(lambda: 50.0).full_listing == "finished"
    assert db.read(SweepRepository().watermarks) == {"gate": frame}
