"""Identifiers and times: ULIDs (https://github.com/ulid/spec) and RFC 3339 in UTC."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta

from ulid import ULID

from hearth.errors import InvalidInput

ULID_PATTERN = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
"""Regular expression of a ULID, not anchored; upper case, as we write them."""
CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far ahead the clock of another machine may be; what was written later than that was written
before the clock was set back."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,6}\d*)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def utc_now() -> datetime:
    """The present, timezone-aware, UTC. The default of every `now` argument."""
    return datetime.now(UTC)


def new_ulid() -> str:
    """A fresh id: 26 characters, sorts by its time of creation (ms)."""
    return str(ULID())


def ulid_from(when: datetime, *parts: str) -> str:
    """The same id for the same facts, so that a repeat finds what the first run made.

    48 bits of `when` in ms since 1970, then 80 bits of sha256 over `parts`. A ULID holds no
    earlier time: those of a recording whose date is older begin as 1970 does.

    Raises:
        ValueError: `when` is naive.
    """
    if when.tzinfo is None:
        raise ValueError(f"a timezone-aware time is needed, got {when!r}")
    milliseconds = max(0, (when - _EPOCH) // timedelta(milliseconds=1))
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return str(ULID.from_bytes(milliseconds.to_bytes(6, "big") + digest[:10]))


def first_ulid(when: datetime) -> str:
    """The first id of a millisecond: those that are less were made before it, by `ulid_from`.

    Raises:
        ValueError: `when` is naive.
    """
    return ulid_from(when)[:10] + "0" * 16


def format_time(when: datetime) -> str:
    """RFC 3339 in UTC with microseconds: `2026-11-02T07:30:00.000000Z`.

    The width is fixed, so text order is time order.

    Raises:
        ValueError: `when` is naive.
    """
    if when.tzinfo is None:
        raise ValueError(f"a timezone-aware time is needed, got {when!r}")
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as a UTC datetime; digits beyond microseconds are cut off.

    Raises:
        InvalidInput: not RFC 3339, no offset, or no such day or hour.
    """
    try:
        if not _RFC_3339.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError, TypeError) as error:
        raise InvalidInput(
            f"{str(text)[:80]!r} is not an RFC 3339 time with an offset, "
            "such as 2026-11-02T07:30:00Z"
        ) from error
