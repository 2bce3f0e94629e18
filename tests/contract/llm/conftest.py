from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database
from tests.support.postgres import (  # noqa: F401  # fixtures
    database_url,
    migrated_url,
    postgres_server,
    postgres_url,
)


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:  # noqa: F811
    database = Database(migrated_url)
    yield database
    database.close()
