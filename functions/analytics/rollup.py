"""Rolls events up and deletes old ones, in bounded steps.

Each step is one transaction that changes no answer, so a run that is interrupted, repeated or
concurrent with another one does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from functions.analytics.repository.events import delete_expired, roll_up
from functions.analytics.schemas import RollupReport
from hearth.db import Database
from hearth.ids import utc_now

BATCH = 1000
"""Most events in one transaction. Aurora DSQL changes at most 3,000 rows in one: each event is a
row, and so may be its roll-up."""


class Rollup:
    """Runs once an hour.

    Args:
        retention: Age at which single events are deleted.
    """

    def __init__(
        self, db: Database, retention: timedelta, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._retention = retention
        self._now = now

    def run(self, time_left: Callable[[], float]) -> RollupReport:
        """Roll up and delete until nothing is left, or `time_left` (seconds) reaches 0.

        Raises:
            Unavailable: The database does not answer.
        """
        report = RollupReport()
        before = self._now() - self._retention
        while time_left() > 0:
            rolled = self._db.write(lambda tx: roll_up(tx, BATCH))
            report.rolled += rolled
            if rolled < BATCH:
                break
        while time_left() > 0:
            deleted = self._db.write(lambda tx: delete_expired(tx, before, BATCH))
            report.forgotten += deleted
            if deleted < BATCH:
                return report
        report.out_of_time = True
        return report
