"""Opaque cursors: where the next page of a list begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from hearth.errors import InvalidInput

MAX_LIMIT = 100
R = TypeVar("R")


def encode_cursor(*parts: str) -> str:
    """The sort key of the last row shown, as one URL-safe word."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> tuple[str, ...]:
    """The `parts` strings that `encode_cursor` was given.

    Raises:
        InvalidInput: the cursor was not made by `encode_cursor` for that many parts.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        decoded = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        decoded = None
    if (
        not isinstance(decoded, list)
        or len(decoded) != parts
        or not all(isinstance(part, str) and _storable(part) for part in decoded)
    ):
        raise InvalidInput(
            f"cursor {cursor[:80]!r} is not one that this list gave out; "
            "start again without a cursor"
        )
    return tuple(decoded)


def _storable(text: str) -> bool:
    """Whether a database can be asked for `text`: no NUL, no half of a surrogate pair."""
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def check_limit(limit: int) -> int:
    """`limit` itself, when it is a page size between 1 and 100.

    Raises:
        InvalidInput: it is not.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit is {limit}; it must be between 1 and {MAX_LIMIT}")
    return limit


def page(
    rows: Sequence[R], limit: int, key: Callable[[R], tuple[str, ...]]
) -> tuple[Sequence[R], str | None]:
    """The rows of one page, and the cursor of the next page (None: this is the last).

    Args:
        rows: The result of a query for `limit + 1` rows; the additional one proves a next page.
        limit: The page size.
        key: Gives the sort key of a row, from which the cursor is made.
    """
    shown = rows[:limit]
    return shown, encode_cursor(*key(shown[-1])) if len(rows) > limit else None
