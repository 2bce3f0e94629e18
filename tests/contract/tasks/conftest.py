from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth.db import Database
from tests.contract.tasks.desk import Desk
from tests.support.databases import migrated_sqlite


@pytest.fixture
def desk(migrated_url: str) -> Iterator[Desk]:
    """On SQLite and on PostgreSQL."""
    db = Database(migrated_url)
    yield Desk(db)
    db.close()


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[Desk]:
    """Where the engine does not matter."""
    url = migrated_sqlite(tmp_path / "hearth.db")
    db = Database(url)
    yield Desk(db)
    db.close()
