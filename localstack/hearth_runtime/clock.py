"""Notices that the machine's clock was set: by NTP, by a person, or after a dead battery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from hearth_runtime.observe.logs import LogStream

TOLERANCE = timedelta(seconds=5)
"""A clock that is slewed, as NTP does by itself, differs by less between two looks at it."""
_INTERVAL_S = 5.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def elapsed_s() -> float:
    """Seconds since an arbitrary moment, whatever the clock shows; a sleeping machine's count."""
    # Linux's CLOCK_MONOTONIC stands still while the machine sleeps, that of macOS does not.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class ClockSteps:
    """Measures by how much the clock was set since the last look at it.

    Args:
        now: The clock that may be set, timezone-aware.
        elapsed: One that is never set, in seconds.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = utc_now,
        elapsed: Callable[[], float] = elapsed_s,
    ) -> None:
        self._now = now
        self._elapsed = elapsed
        self._offset = self._measure()

    def seen(self) -> timedelta:
        """How far the clock was set since the last call that says so; zero within `TOLERANCE`."""
        return self._step(self._measure())

    def take(self) -> timedelta:
        """The same as `seen`, and look again from now on."""
        offset = self._measure()
        step = self._step(offset)
        self._offset = offset
        return step

    def _measure(self) -> datetime:
        return self._now() - timedelta(seconds=self._elapsed())

    def _step(self, offset: datetime) -> timedelta:
        step = offset - self._offset
        return step if abs(step) > TOLERANCE else timedelta(0)


async def log_clock_steps(
    logs: LogStream,
    steps: ClockSteps | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Log each time that the clock was set. Runs until it is cancelled."""
    steps = steps or ClockSteps()
    while True:
        await sleep(_INTERVAL_S)
        if step := steps.take():
            logs.write(
                "WARNING",
                f"the clock was set {'forward' if step > timedelta(0) else 'back'}",
                seconds=round(abs(step).total_seconds()),
            )
