"""Deletes jobs whose frames or whose news are old, and has detection delete its own rows."""

from __future__ import annotations

from collections.abc import Callable

from functions.sweep.reconcile import OutOfTime
from functions.sweep.schemas import SweepReport
from hearth.ledger.ledger import Ledger
from hearth.retention import RECORD_KINDS, REPEATABLE_KINDS, Retention, prune_job

BATCH = 2000
"""Jobs in one transaction."""
ROUNDS = 5
"""Transactions of a kind in one run: 10,000 jobs a minute keep up with 30 cameras at 5 frames/s."""


class Pruner:
    """Bounded work in each run; the next one continues.

    Args:
        ledger: Where jobs are.
        retention: How long they stay.
    """

    def __init__(self, ledger: Ledger, retention: Retention) -> None:
        self._ledger = ledger
        self._retention = retention

    def prune(self, report: SweepReport, time_left: Callable[[], float]) -> None:
        """Delete some old jobs, and add detection's job of the day; counts go to `report`.

        Raises:
            OutOfTime: `time_left` (seconds) reached 0.
        """
        self._wake_detection()
        now = self._ledger.now()
        before = self._retention.jobs_before(now)
        ages = [(kind, before) for kind in REPEATABLE_KINDS]
        # One look at each; two thousand rows of each would be read in every run otherwise.
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

    def _wake_detection(self) -> None:
        """Add its job of the day when anything is old.

        Frames make that every day. When cameras are gone, its own old jobs still make it every
        few days, for what it had to leave: an incident that was settled only then.
        """
        now = self._ledger.now()
        job = prune_job(now)
        old = self._retention.rows_before(now)
        if self._ledger.states([job.dedupe_key]):
            return
        if self._ledger.has_done_before(REPEATABLE_KINDS, old):
            self._ledger.transact(lambda work: work.add(job))
