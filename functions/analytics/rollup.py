"""Rolls events up and forgets old ones, in bounded steps.

Each step is one transaction that leaves every answer as it was, so a run that is cut short,
repeated or doubled does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from functions.analytics.repository.events import forget, roll_up
from functions.analytics.schemas import RollupReport
from hearth.db import Database
from hearth.ids import utc_now

BATCH = 1000
"""Events in one transaction. Aurora DSQL changes at most 3,000 rows in one: each event is one, and
so may be its roll-up."""


class Rollup:
    """One run an hour.

    Args:
        db: Where events are.
        retention: For how long single events stay after they came in.
        now: The present, timezone-aware.
    """

    def __init__(
        self, db: Database, retention: timedelta, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._retention = retention
        self._now = now

    def run(self, time_left: Callable[[], float]) -> RollupReport:
        """Work until nothing is left, or `time_left` (seconds) reaches 0.

        Raises:
            Unavailable: The database does not answer.
        """
        report = RollupReport()
        before = self._now() - self._retention
        while time_left() > 0:
            moved = self._db.write(lambda tx: roll_up(tx, BATCH))
            report.rolled += moved
            if moved < BATCH:
                break
        while time_left() > 0:
            gone = self._db.write(lambda tx: forget(tx, before, BATCH))
            report.forgotten += gone
            if gone < BATCH:
                return report
        report.out_of_time = True
        return report
