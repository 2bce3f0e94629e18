"""Recovers what a queue lost: jobs without a notification, and frames without a job.

Job notifications may be repeated, and a job is added once per dedupe key. So a sweep that is
repeated, interrupted or concurrent with another one does no harm.
"""

from __future__ import annotations

from collections.abc import Callable

from functions.sweep.prune import Pruner
from functions.sweep.reconcile import ListingFailed, OutOfTime, Reconciler
from functions.sweep.schemas import SweepReport
from hearth.ledger.ledger import Ledger

RESENDS = 1000
"""Most jobs that one run announces again: ten seconds of SQS at 10 ms for a batch of ten."""
BATCH = 100


class Sweep:
    """Runs once a minute.

    Args:
        ledger: Where jobs are.
    """

    def __init__(self, ledger: Ledger, frames: Reconciler, pruner: Pruner) -> None:
        self._ledger = ledger
        self._frames = frames
        self._pruner = pruner

    def run(self, time_left: Callable[[], float]) -> SweepReport:
        """Sweep until everything was examined, a limit is reached or the time is over.

        Args:
            time_left: Seconds that this run may still take; at 0 it stops.

        Raises:
            Unavailable: The database does not answer. Errors of S3 are in the report.
        """
        report = SweepReport()
        try:
            self._announce_due_jobs(report, time_left)
            self._pruner.prune(report, time_left)
            self._frames.examine_new_keys(report, time_left)
            self._frames.examine_all_keys(report, time_left)
        except OutOfTime:
            report.out_of_time = True
        except ListingFailed as error:
            report.listing_error = error.message
        return report

    def _announce_due_jobs(self, report: SweepReport, time_left: Callable[[], float]) -> None:
        report.expired = len(self._ledger.expire())
        while report.resent < RESENDS:
            if time_left() <= 0:
                raise OutOfTime
            due = self._ledger.due(BATCH)
            self._ledger.announce(due)
            report.resent += len(due)
            if len(due) < BATCH:
                return
