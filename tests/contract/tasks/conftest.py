from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth.db import Database
from tests.contract.tasks.harness import Harness
from tests.support.databases import migrated_sqlite


@pytest.fixture
def harness(migrated_url: str) -> Iterator[Harness]:
    """On SQLite and on PostgreSQL."""
    db = Database(migrated_url)
    yield Harness(db)
    db.close()


@pytest.fixture
def sqlite_harness(tmp_path: Path) -> Iterator[Harness]:
    """Where the engine does not matter."""
    url = migrated_sqlite(tmp_path / "hearth.db")
    db = Database(url)
    yield Harness(db)
    db.close()
