"""Deletes old jobs, and asks detection to delete its own old rows."""

from __future__ import annotations

from collections.abc import Callable

from functions.sweep.reconcile import OutOfTime
from functions.sweep.schemas import SweepReport
from hearth.ledger.ledger import Ledger
from hearth.retention import RECORD_KINDS, REPEATABLE_KINDS, Retention, prune_job

BATCH = 2000
"""Most jobs in one transaction."""
ROUNDS = 5
"""Most transactions of a kind in one run; 10,000 jobs a minute suffice for 30 cameras at 5 fps."""


class Pruner:
    """Deletes a bounded number of jobs in each run.

    Args:
        ledger: Where jobs are.
        retention: How long jobs are kept.
    """

    def __init__(self, ledger: Ledger, retention: Retention) -> None:
        self._ledger = ledger
        self._retention = retention

    def prune(self, report: SweepReport, time_left: Callable[[], float]) -> None:
        """Delete some old jobs, and add detection's daily job; counts are added to `report`.

        Raises:
            OutOfTime: `time_left` (seconds) reached 0.
        """
        self._request_detection_cleanup()
        now = self._ledger.now()
        before = self._retention.jobs_before(now)
        ages = [(kind, before) for kind in REPEATABLE_KINDS]
        # Checked first: otherwise every run would read two thousand rows of each kind.
        records = self._retention.records_before(now)
        ages += [
            (kind, records)
            for kind in RECORD_KINDS
            if self._ledger.has_done_before([kind], records)
        ]
        for kind, before in ages:
            for _ in range(ROUNDS):
                pruned = self._ledger.prune([kind], before, BATCH)
                report.pruned += pruned
                if pruned < BATCH:
                    break
                if time_left() <= 0:
                    raise OutOfTime

    def _request_detection_cleanup(self) -> None:
        """Add detection's daily job when anything is old.

        While there are frames, that is every day. Without cameras its own old jobs still cause it
        every few days, for rows that could not be deleted before, such as an incident that was
        settled later.
        """
        now = self._ledger.now()
        job = prune_job(now)
        old = self._retention.rows_before(now)
        if self._ledger.states([job.dedupe_key]):
            return
        if self._ledger.has_done_before(REPEATABLE_KINDS, old):
            self._ledger.transact(lambda work: work.add(job))
