from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from tests.contract.events.town import Town
from tests.support.postgres import (  # noqa: F401  # fixtures
    database_url,
    migrated_url,
    postgres_server,
    postgres_url,
)


@pytest.fixture
def town(migrated_url: str) -> Iterator[Town]:  # noqa: F811
    db = Database(migrated_url)
    yield Town(db)
    db.close()
