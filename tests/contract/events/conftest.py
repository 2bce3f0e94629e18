from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from tests.contract.events.harness import EventHarness


@pytest.fixture
def harness(migrated_url: str) -> Iterator[EventHarness]:
    db = Database(migrated_url)
    yield EventHarness(db)
    db.close()
