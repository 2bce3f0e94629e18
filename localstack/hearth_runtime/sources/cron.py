"""Schedule expressions of EventBridge: rate(…), cron(…) and at(…), and when they are due.

Reference: "Schedule types in EventBridge Scheduler" and "Cron expressions reference" of the
EventBridge guides. Wall times that daylight saving skips do not happen; repeated ones happen once.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hearth_runtime.template.intrinsics import TemplateError

LAST_YEAR = 2199
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}


class Expression(Protocol):
    """When a schedule is due."""

    def after(self, moment: datetime) -> datetime | None:
        """The first due time later than `moment` (aware), in UTC; None when there is none."""
        ...


def parse_expression(text: str, timezone: str = "UTC") -> Expression:
    """Raises TemplateError when the expression or the time zone is not valid."""
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TemplateError(f"{timezone!r} is not an IANA time zone.") from error
    match = re.fullmatch(r"(rate|cron|at)\((.*)\)", text.strip())
    if match is None:
        raise TemplateError(f"{text!r} is not a rate(…), cron(…) or at(…) expression.")
    kind, inner = match[1], match[2].strip()
    try:
        if kind == "rate":
            return _rate(inner)
        if kind == "at":
            return At(datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone))
        return Cron.parse(inner, zone)
    except ValueError as error:
        raise TemplateError(f"{text!r} is not a valid schedule: {error}.") from error


@dataclass(frozen=True, slots=True)
class Rate:
    interval: timedelta

    def after(self, moment: datetime) -> datetime | None:
        return (moment + self.interval).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class At:
    when: datetime

    def after(self, moment: datetime) -> datetime | None:
        return self.when.astimezone(UTC) if self.when > moment else None


@dataclass(frozen=True, slots=True)
class Cron:
    """`on_day` decides about a date: the day-of-month and the day-of-week field together."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: frozenset[int]
    on_day: Callable[[date], bool]
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> Cron:
        """Raises ValueError with the field that is wrong."""
        fields = text.upper().split()
        if len(fields) != 6:
            raise ValueError(f"six fields are needed, {len(fields)} are given")
        minutes, hours, days, months, weekdays, years = fields
        if (days == "?") == (weekdays == "?"):
            raise ValueError("exactly one of day-of-month and day-of-week must be ?")
        return cls(
            minutes=tuple(sorted(_values(minutes, "minutes", 0, 59))),
            hours=tuple(sorted(_values(hours, "hours", 0, 23))),
            months=tuple(sorted(_values(months, "month", 1, 12, _MONTHS))),
            years=frozenset(_values(years, "year", 1970, LAST_YEAR)),
            on_day=_day_of_month(days) if weekdays == "?" else _day_of_week(weekdays),
            zone=zone,
        )

    def after(self, moment: datetime) -> datetime | None:
        start = moment.astimezone(self.zone)
        for day in self._days(start.date()):
            for hour in self.hours:
                for minute in self.minutes:
                    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                    due = local.astimezone(UTC)
                    skipped = due.astimezone(self.zone).replace(tzinfo=None) != local.replace(
                        tzinfo=None
                    )
                    if due > moment and not skipped:
                        return due
        return None

    def _days(self, start: date) -> Iterator[date]:
        for year in range(start.year, LAST_YEAR + 1):
            if year not in self.years:
                continue
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= start and self.on_day(day):
                        yield day


def _rate(text: str) -> Rate:
    match = re.fullmatch(r"(\d+)\s+(minute|hour|day)(s?)", text)
    if match is None:
        raise ValueError("rate takes a number and minute(s), hour(s) or day(s)")
    count = int(match[1])
    if count < 1:
        raise ValueError("the number must be 1 or more")
    if (count == 1) == bool(match[3]):
        raise ValueError("the unit is singular for 1 and plural otherwise")
    return Rate(timedelta(seconds=count * _UNITS[match[2]]))


def _values(text: str, name: str, least: int, most: int, words: tuple[str, ...] = ()) -> set[int]:
    """The numbers that a field of lists, ranges and steps stands for."""
    values: set[int] = set()
    for item in text.split(","):
        span, slash, step_text = item.partition("/")
        step = _number(step_text, name, 1, most) if slash else 1
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = least, most
        else:
            first = _number(first_text, name, least, most, words)
            # "5/15" begins at 5 and goes on to the end
            last = _number(last_text, name, least, most, words) if dash else first
            last = most if slash and not dash else last
        if first > last:
            raise ValueError(f"{name}: the range {span} runs backwards")
        values |= set(range(first, last + 1, step))
    return values


def _number(text: str, name: str, least: int, most: int, words: tuple[str, ...] = ()) -> int:
    if text in words:
        return words.index(text) + 1
    if not re.fullmatch(r"\d+", text, re.ASCII) or not least <= int(text) <= most:
        raise ValueError(f"{name}: {text!r} is not between {least} and {most}")
    return int(text)


def _day_of_month(text: str) -> Callable[[date], bool]:
    if text == "L":
        return lambda day: day.day == _last_day(day)
    if text == "LW":
        return lambda day: day.day == _nearest_weekday(day, _last_day(day))
    if text.endswith("W"):
        wanted = _number(text[:-1], "day-of-month", 1, 31)
        return lambda day: wanted <= _last_day(day) and day.day == _nearest_weekday(day, wanted)
    numbers = _values(text, "day-of-month", 1, 31)
    return lambda day: day.day in numbers


def _day_of_week(text: str) -> Callable[[date], bool]:
    """AWS counts the days of a week from 1, Sunday, to 7, Saturday."""
    if text == "L":
        return lambda day: _weekday(day) == 7
    if text.endswith("L"):
        last = _number(text[:-1], "day-of-week", 1, 7, _DAYS)
        return lambda day: _weekday(day) == last and day.day + 7 > _last_day(day)
    if "#" in text:
        name, _, count = text.partition("#")
        wanted = _number(name, "day-of-week", 1, 7, _DAYS)
        nth = _number(count, "day-of-week", 1, 5)
        return lambda day: _weekday(day) == wanted and (day.day + 6) // 7 == nth
    numbers = _values(text, "day-of-week", 1, 7, _DAYS)
    return lambda day: _weekday(day) in numbers


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _last_day(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, number: int) -> int:
    """The Monday to Friday nearest to a day of the month, without leaving the month."""
    weekday = day.replace(day=number).isoweekday()
    if weekday == 6:
        return number - 1 if number > 1 else number + 2
    if weekday == 7:
        return number + 1 if number < _last_day(day) else number - 2
    return number
