from __future__ import annotations

from collections.abc import Iterator

import pytest

from hearth.db import Database


@pytest.fixture
def db(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    yield database
    database.close()
