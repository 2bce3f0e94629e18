from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from hearth.ledger.ledger import Ledger
from tests.support.fakes import Clock, MemoryQueues


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queues() -> MemoryQueues:
    return MemoryQueues()


@pytest.fixture
def ledger(db: Database, queues: MemoryQueues, clock: Clock) -> Ledger:
    """A ledger whose back-off is always the longest, so that times can be compared."""
    return Ledger(db, queues, now=clock, jitter=lambda ceiling: ceiling)
