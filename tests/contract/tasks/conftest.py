from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth.db import Database
from hearth.migrations import upgrade
from tests.contract.tasks.desk import Desk


@pytest.fixture
def desk(migrated_url: str) -> Iterator[Desk]:
    """On SQLite and on PostgreSQL."""
    db = Database(migrated_url)
    yield Desk(db)
    db.close()


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[Desk]:
    """Where the engine does not matter."""
    url = f"sqlite:///{tmp_path}/hearth.db"
    upgrade(url)
    db = Database(url)
    yield Desk(db)
    db.close()
