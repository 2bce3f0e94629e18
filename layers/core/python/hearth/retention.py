"""How long rows are kept: a ladder on which nothing is forgotten before what it stands for.

    days      the bucket expires a frame's object (S3 rounds up to the next midnight)
    days + 1  detection deletes the frame's rows; the sweep gives no job to an object that old
    days + 2  the sweep deletes the ledger's row

So no frame is worked on twice: while its object can still be listed, the ledger knows it. Cameras,
incidents with their peak frames, evidence, reports and failed jobs stay.

Records of what was published, and to whom, are kept for longer: done jobs of events by `records`,
which the sweep deletes, and those of large sets of rows and texts, whose results stay in the
bucket; notifications as long, and the audit log by its own time, each by its function, a few rows
with every new one.

SQLite reuses the pages that are freed, so its file stays as large as the fullest day made it.
Rejected: `auto_vacuum`, which writes every freed page once more, fragments the file and cannot be
turned on for a file that exists without a VACUUM, which needs the same space again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hearth.declarations import kinds_kept
from hearth.frames import QUEUE
from hearth.ledger.ledger import NewJob

PRUNE: Final = "detection.prune"
"""The daily job in which detection deletes its own old rows."""
REPEATABLE_KINDS: Final = kinds_kept("repeatable")
"""Kinds whose done jobs are deleted with the frames: repeating one changes nothing that anybody
sees."""
RECORD_KINDS: Final = kinds_kept("record")
"""Kinds whose done jobs are kept as records."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Retention:
    """The ladder above.

    Attributes:
        days: The bucket's `ExpirationInDays`, at least 1.
        records: For how many days done jobs of events are kept, at least 1.
    """

    days: int = 10
    records: int = 90

    @property
    def objects(self) -> timedelta:
        """Age at which an object counts as gone, though S3 may be slow to delete it."""
        return (self.days + 1) * _DAY

    def rows_before(self, now: datetime) -> datetime:
        """Frames that were judged before this may be deleted."""
        return now - (self.days + 1) * _DAY

    def jobs_before(self, now: datetime) -> datetime:
        """Jobs that were done before this may be deleted."""
        return now - (self.days + 2) * _DAY

    def records_before(self, now: datetime) -> datetime:
        """Jobs of events that were done before this may be deleted."""
        return now - self.records * _DAY


def prune_job(now: datetime) -> NewJob:
    """The job of the day of `now`; adding it again on that day changes nothing."""
    day = f"{now:%Y-%m-%d}"
    return NewJob(PRUNE, QUEUE, f"prune:{day}", {"date": day})
