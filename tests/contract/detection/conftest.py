from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from tests.contract.detection.harness import DetectionHarness


@pytest.fixture
def harness(migrated_url: str) -> Iterator[DetectionHarness]:
    db = Database(migrated_url)
    yield DetectionHarness(db)
    db.close()
