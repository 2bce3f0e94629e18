"""A wrong DATABASE_URL is refused in one sentence that never shows the password."""

from __future__ import annotations

import traceback

import pytest

from hearth.db import Database
from hearth.errors import InvalidInput


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "postgresql://hearth:s3cret@[::1/hearth",
        "postgresql://hearth:s3cret@host:port/hearth",
        "postgresql://hearth:p@s3cret@host/hearth",
        "mysql://hearth:s3cret@host/hearth",
        "sqlite://hearth:s3cret@host/hearth.db",
        "sqlite://",
    ],
)
def test_a_url_that_names_no_database_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidInput, match="DATABASE_URL") as refused:
        Database(url)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))
