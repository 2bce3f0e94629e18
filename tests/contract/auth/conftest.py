from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.auth import passwords
from hearth.db import Database
from tests.support.auth import Harness


@pytest.fixture
def harness(migrated_url: str) -> Iterator[Harness]:
    """`auth` behind its authorizer, on SQLite and on PostgreSQL."""
    db = Database(migrated_url)
    yield Harness(db)
    db.close()


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds are made here, and what they cost is of no interest."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 8)
    monkeypatch.setattr(passwords, "TIME_COST", 1)
    monkeypatch.setattr(passwords, "_DECOY", passwords.Passwords().hash("nobody's password"))
