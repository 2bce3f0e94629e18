from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from tests.contract.events.town import Town


@pytest.fixture
def town(migrated_url: str) -> Iterator[Town]:
    db = Database(migrated_url)
    yield Town(db)
    db.close()
