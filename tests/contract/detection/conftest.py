from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from tests.contract.detection.stage import Stage


@pytest.fixture
def stage(migrated_url: str) -> Iterator[Stage]:
    db = Database(migrated_url)
    yield Stage(db)
    db.close()
