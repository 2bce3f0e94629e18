"""Pages of rows that are sorted by their id, newest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from hearth.http.query import PageQuery
from hearth.paging import decode_cursor, page


class _Row(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Row)


def newest_first(
    query: PageQuery, find: Callable[[int, str | None], list[R]]
) -> tuple[list[R], str | None]:
    """Return one page, and the cursor of the next one.

    Args:
        find: Returns at most so many rows, those before an id.

    Raises:
        InvalidInput: The cursor is not valid.
    """
    before = None if query.cursor is None else decode_cursor(query.cursor, 1)[0]
    rows = find(query.limit + 1, before)
    shown, cursor = page(rows, query.limit, lambda row: (row.id,))
    return [*shown], cursor
