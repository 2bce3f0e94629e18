"""Pages of rows that are sorted by their id, newest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from hearth.http.query import PageQuery
from hearth.paging import decode_cursor, encode_cursor


class _Row(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Row)


def newest_first(
    query: PageQuery, find: Callable[[int, str | None], list[R]]
) -> tuple[list[R], str | None]:
    """One page, and the cursor of the next one.

    Args:
        query: How many, and after which.
        find: Gives so many rows, those before an id.

    Raises:
        InvalidInput: A cursor that no page gave out.
    """
    before = None if query.cursor is None else decode_cursor(query.cursor, 1)[0]
    rows = find(query.limit + 1, before)
    page = rows[: query.limit]
    return page, encode_cursor(page[-1].id) if len(rows) > len(page) else None
