"""Brings back what a queue lost: jobs without a hint, and frames without a job.

Nothing here changes what is true: a hint may be repeated, and a job is added once per key. So a
sweep that is repeated, cut short or run beside another one does no harm.
"""

from __future__ import annotations

from collections.abc import Callable

from functions.sweep.prune import Pruner
from functions.sweep.reconcile import ListingFailed, OutOfTime, Reconciler
from functions.sweep.schemas import SweepReport
from hearth.ledger.ledger import Ledger

RESENDS = 1000
"""Jobs whose hint one run sends again: about ten seconds of SQS at 10 ms for a batch of ten."""
BATCH = 100


class Sweep:
    """One run a minute.

    Args:
        ledger: Where jobs are.
        frames: Compares the bucket with the ledger.
        pruner: Deletes old jobs.
    """

    def __init__(self, ledger: Ledger, frames: Reconciler, pruner: Pruner) -> None:
        self._ledger = ledger
        self._frames = frames
        self._pruner = pruner

    def run(self, time_left: Callable[[], float]) -> SweepReport:
        """Sweep until everything was looked at, a limit is reached or the time is over.

        Args:
            time_left: Seconds that this run may still take; at 0 it stops.

        Raises:
            Unavailable: The database does not answer. An S3 that does not is in the report.
        """
        report = SweepReport()
        try:
            self._jobs(report, time_left)
            self._pruner.prune(report, time_left)
            self._frames.newest(report, time_left)
            self._frames.everything(report, time_left)
        except OutOfTime:
            report.out_of_time = True
        except ListingFailed as error:
            report.listing_error = error.message
        return report

    def _jobs(self, report: SweepReport, time_left: Callable[[], float]) -> None:
        report.expired = len(self._ledger.expire())
        while report.resent < RESENDS:
            if time_left() <= 0:
                raise OutOfTime
            due = self._ledger.due(BATCH)
            self._ledger.announce(due)
            report.resent += len(due)
            if len(due) < BATCH:
                return
