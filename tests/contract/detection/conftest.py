from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from tests.contract.detection.stage import Stage
from tests.support.postgres import (  # noqa: F401  # fixtures
    database_url,
    migrated_url,
    postgres_server,
    postgres_url,
)


@pytest.fixture
def stage(migrated_url: str) -> Iterator[Stage]:  # noqa: F811
    db = Database(migrated_url)
    yield Stage(db)
    db.close()
