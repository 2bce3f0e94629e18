"""Quiet hours, in the site's local time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_HOURS = re.compile(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d)", re.ASCII)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours from `begin` up to `end` of every day; over midnight where `end` is earlier."""

    begin: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo) -> QuietHours:
        """Parse `22:00-07:00`.

        Raises:
            ValueError: The text is not two different times of a day.
        """
        match = _HOURS.fullmatch(text)
        if match is None or match[1] == match[3]:
            raise ValueError(
                f"QUIET_HOURS must be two different local times such as 22:00-07:00, "
                f"not {text[:40]!r}"
            )
        return cls(time.fromisoformat(match[1]), time.fromisoformat(match[3]), zone)

    def contains(self, when: datetime) -> bool:
        """Whether it is quiet at that moment."""
        local = when.astimezone(self.zone).time()
        if self.begin < self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end

    def end_after(self, when: datetime) -> datetime:
        """Return `when` if it is not quiet then, else the first whole minute after it that is not.

        Searched minute by minute (at most a day, about a millisecond), so that changes of daylight
        saving time, with hours that come twice or not at all, need no rule of their own.
        """
        if not self.contains(when):
            return when
        moment = when.replace(second=0, microsecond=0) + _MINUTE
        while self.contains(moment):
            moment += _MINUTE
        return moment
