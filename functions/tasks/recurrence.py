"""When a repeated task is due again: RFC 5545 rules, computed by python-dateutil within bounds.

A rule of a hostile or careless person may never come true ("30 February") or come true every
second. dateutil looks for the next time until the year 9999, so it is asked about a year near that:
the Gregorian calendar repeats every 400 years to the day of the week, and 7,600 years later only
some four centuries are left to search, half a second at the very worst.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from functions.tasks.schemas import EARLIEST, LATEST
from hearth.errors import InvalidInput

MAX_COUNT: Final = 1_000
MAX_INTERVAL: Final = 1_000
_SHIFT: Final = 19 * 400
_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PART: Final = re.compile(r"[A-Z]+=[A-Z0-9,+-]+", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_PASSED_ON: Final = frozenset(
    {
        "FREQ",
        "INTERVAL",
        "WKST",
        "BYDAY",
        "BYMONTH",
        "BYMONTHDAY",
        "BYSETPOS",
        "BYYEARDAY",
        "BYWEEKNO",
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A checked rule."""

    parts: str
    """For dateutil: without COUNT and UNTIL."""
    count: int | None
    until: str | None


def read_rule(text: str) -> Rule:
    """Check a rule, as far as that is possible without a start.

    Raises:
        InvalidInput: Malformed, too frequent, or beyond its bounds.
    """
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").strip().rstrip(";").split(";"):
        name, _, value = part.partition("=")
        if not _PART.fullmatch(part) or name in parts:
            raise InvalidInput(f"repeat_rule: {part[:40]!r} is not a part such as FREQ=WEEKLY")
        parts[name] = value
    frequency = parts.get("FREQ")
    if frequency not in _FREQUENCIES:
        raise InvalidInput(
            f"repeat_rule: FREQ is {frequency!r:.40}; a task repeats {', '.join(_FREQUENCIES)}"
        )
    until = parts.pop("UNTIL", None)
    count = _number(parts.pop("COUNT"), "COUNT", MAX_COUNT) if "COUNT" in parts else None
    if until is not None and count is not None:
        raise InvalidInput("repeat_rule: COUNT and UNTIL exclude each other (RFC 5545, 3.3.10)")
    if "INTERVAL" in parts:
        _number(parts["INTERVAL"], "INTERVAL", MAX_INTERVAL)
    if unknown := sorted(parts.keys() - _PASSED_ON):
        raise InvalidInput(
            f"repeat_rule: {unknown[0][:40]} is not possible; use {', '.join(sorted(_PASSED_ON))}, "
            "COUNT or UNTIL"
        )
    return Rule(";".join(f"{name}={value}" for name, value in parts.items()), count, until)


def canonical(text: str) -> str:
    """The same rule, written the same way: FREQ first, then by name.

    Raises:
        InvalidInput: See `read_rule`.
    """
    read_rule(text)
    parts = text.upper().removeprefix("RRULE:").strip().rstrip(";").split(";")
    return ";".join(sorted(parts, key=lambda part: (not part.startswith("FREQ="), part)))


def check_rule(text: str, start: datetime, zone: ZoneInfo) -> None:
    """Check that a task that is due at `start` can repeat so.

    Raises:
        InvalidInput: It cannot; the message says why.
    """
    rule = read_rule(text)
    if not EARLIEST <= start < LATEST:
        raise InvalidInput("repeat_rule: a task repeats when it is due between 1970 and 2199")
    if _next(rule, start, start, zone) is None and rule.until is None:
        raise InvalidInput(f"repeat_rule: {text[:80]!r} never comes true again")


def next_due(
    text: str, start: datetime, occurrence: int, after: datetime, zone: ZoneInfo
) -> datetime | None:
    """When the occurrence after this one is due; None when this was the last.

    Args:
        text: The rule.
        start: When the first was due.
        occurrence: Which this is, from 1.
        after: Begin to look behind this time: those that were missed are skipped.
        zone: Of the site; a task at eight stays at eight when clocks change.

    Raises:
        InvalidInput: Not a rule.
    """
    rule = read_rule(text)
    if rule.count is not None and occurrence >= rule.count:
        return None
    return _next(rule, start, after, zone)


def _next(rule: Rule, start: datetime, after: datetime, zone: ZoneInfo) -> datetime | None:
    from dateutil.rrule import rrulestr

    until = _last_moment(rule.until, zone)
    try:
        found = rrulestr(rule.parts, dtstart=_shifted(start, zone)).after(_shifted(after, zone))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # What dateutil raises for "BYDAY=XX", "BYMONTH=," and their like.
        raise InvalidInput(f"repeat_rule: {rule.parts[:80]!r} is not a recurrence rule") from error
    if found is None:
        return None
    due: datetime = found.replace(year=found.year - _SHIFT, tzinfo=zone)
    due = due.astimezone(LATEST.tzinfo)
    return None if due >= LATEST or (until is not None and due > until) else due


def _shifted(moment: datetime, zone: ZoneInfo) -> datetime:
    local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    return local.replace(year=local.year + _SHIFT)


def _last_moment(until: str | None, zone: ZoneInfo) -> datetime | None:
    if until is None:
        return None
    try:
        if len(until) == 8:
            return datetime.combine(date.fromisoformat(until), time.max, zone)
        moment = datetime.fromisoformat(until)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except ValueError as error:
        raise InvalidInput(
            f"repeat_rule: UNTIL={until[:40]} is not a time such as 20261231T120000Z"
        ) from error


def _number(text: str, name: str, most: int) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise InvalidInput(f"repeat_rule: {name} is {text[:40]}; it must be between 1 and {most}")
    return int(text)
