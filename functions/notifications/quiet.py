"""The hours in which people are left alone, as clocks on the site show them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d)", re.ASCII)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` up to `end`, every day; over midnight where `end` is the earlier one.

    Args:
        begin: Local time, minutes precise.
        end: The same; another one.
        zone: The site's.
    """

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> QuietHours:
        """Read `22:00-07:00`.

        Raises:
            ValueError: Not two times of a day, or the same one twice.
        """
        match = _HOURS.fullmatch(text)
        if match is None or match[1] == match[3]:
            raise ValueError(
                f"QUIET_HOURS is {text[:40]!r}; use two different local times such as 22:00-07:00"
            )
        return cls(time.fromisoformat(match[1]), time.fromisoformat(match[3]), zone)

    def include(self, when: datetime) -> bool:
        """Whether a clock on the site shows a quiet time then."""
        shown = when.astimezone(self.zone).time()
        if self.begin < self.end:
            return self.begin <= shown < self.end
        return shown >= self.begin or shown < self.end

    def over_at(self, when: datetime) -> datetime:
        """`when` itself if it is not quiet then, else the first whole minute after that is not.

        Looked for minute by minute (at most a day, about a millisecond): so a night in which the
        clocks change, with hours that come twice or not at all, needs no rule of its own.
        """
        if not self.include(when):
            return when
        moment = when.replace(second=0, microsecond=0) + _MINUTE
        while self.include(moment):
            moment += _MINUTE
        return moment
