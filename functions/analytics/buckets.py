"""Buckets of local hours, days, weeks and months, in UTC.

A day of the site's time zone has 23, 24 or 25 hours, and a month 28 to 31 such days. Buckets are
contiguous and never overlap: each moment is in exactly one, also when daylight saving time changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hearth.errors import InvalidInput
from hearth.ids import parse_time

QUARTER: Final = timedelta(minutes=15)
MAX_BUCKETS: Final = 1000
EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Since then every change of local time was at a full quarter of an hour."""
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Granularity(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Bucket:
    """From `begins` (inclusive) to `ends`, both UTC and whole quarters of an hour."""

    begins: datetime
    ends: datetime


def quarter_of(when: datetime) -> datetime:
    """Return the start of the quarter of an hour that contains `when`; UTC."""
    return when - (when - _EPOCH) % QUARTER


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Raises:
        InvalidInput: The time zone does not exist.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(
            f"{name[:64]!r} is not an IANA time zone; use a name such as Europe/Berlin"
        ) from error


def parse_moment(text: str, zone: ZoneInfo, *, last: bool = False) -> datetime:
    """Parse a date (its first instant in `zone`; with `last` that of the next day) or RFC 3339
    time.

    Raises:
        InvalidInput: The text is neither, or outside 2020 to 2099.
    """
    if _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise InvalidInput(f"{text!r} is not a day of the calendar") from error
        if not EARLIEST.year <= day.year < LATEST.year:
            raise _out_of_range(text)
        return _midnight(day + _DAY if last else day, zone)
    when = parse_time(text)
    if not EARLIEST <= when <= LATEST:
        raise _out_of_range(text)
    return when


def buckets(
    begins: datetime, ends: datetime, granularity: Granularity, zone: ZoneInfo
) -> list[Bucket]:
    """Return the whole buckets that overlap the time from `begins` to `ends`, in order.

    Raises:
        InvalidInput: `ends` is not after `begins`, or there would be more than 1,000.
    """
    if ends <= begins:
        raise InvalidInput(
            f"end_date ({ends.isoformat()}) must be after start_date ({begins.isoformat()})"
        )
    make = _hours if granularity is Granularity.HOUR else _dates
    edges = []
    for edge in make(begins, granularity, zone):
        edges.append(edge)
        if edge >= ends:
            break
        if len(edges) > MAX_BUCKETS:
            raise InvalidInput(
                f"from {begins.isoformat()} to {ends.isoformat()} there are more than "
                f"{MAX_BUCKETS} buckets of one {granularity}; ask for less time, or a coarser "
                "granularity"
            )
    # A day that a country skipped (Samoa, 2011) has no length.
    return [Bucket(first, second) for first, second in pairwise(edges) if first < second]


def _hours(begins: datetime, _: Granularity, zone: ZoneInfo) -> Iterator[datetime]:
    """Return the starts of local hours: where the local time shows another hour than a quarter
    before, or the same again after the clock was set back."""

    def shown(when: datetime) -> tuple[date, int, timedelta | None]:
        local = when.astimezone(zone)
        return local.date(), local.hour, local.utcoffset()

    edge = quarter_of(begins)
    hour = shown(edge)
    while shown(edge - QUARTER) == hour:
        edge -= QUARTER
    while True:
        yield edge
        while shown(edge) == hour:
            edge += QUARTER
        hour = shown(edge)


def _dates(begins: datetime, granularity: Granularity, zone: ZoneInfo) -> Iterator[datetime]:
    day = begins.astimezone(zone).date()
    if granularity is Granularity.WEEK:
        day -= timedelta(days=day.weekday())
    elif granularity is Granularity.MONTH:
        day = day.replace(day=1)
    while True:
        yield _midnight(day, zone)
        if granularity is Granularity.MONTH:
            day = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        else:
            day += timedelta(days=7 if granularity is Granularity.WEEK else 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a day. Where the clock is set forward at midnight, 00:00 does not
    exist; with the offset from before it is the instant of the change, which is right."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _out_of_range(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text[:40]!r} is out of range; give a time from {EARLIEST.year} to {LATEST.year - 1}"
    )
