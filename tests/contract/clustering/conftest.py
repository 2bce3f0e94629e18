from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth.db import Database
from hearth.migrations import upgrade
from tests.contract.clustering.bench import Bench


@pytest.fixture
def bench(migrated_url: str) -> Iterator[Bench]:
    """On SQLite and on PostgreSQL."""
    db = Database(migrated_url)
    yield Bench(db)
    db.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Bench]:
    """Where the engine does not matter."""
    url = f"sqlite:///{tmp_path}/hearth.db"
    upgrade(url)
    db = Database(url)
    yield Bench(db)
    db.close()
