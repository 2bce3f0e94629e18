"""Deletes the rows of old frames in short slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from functions.detection.repository.old_rows import list_unpruned_cameras, prune_camera
from hearth.db import Database
from hearth.ids import utc_now
from hearth.ledger.consumer import Deadline, Done, Outcome, Postpone
from hearth.ledger.ledger import Job
from hearth.retention import Retention

SLICE_S: Final = 2.0
"""How long one invocation deletes: frames of the same batch wait for it."""
RESERVE_S: Final = 1.0
"""A transaction that is not begun with so much time left is left to the next slice."""
PAUSE: Final = timedelta(seconds=10)
"""Between two slices."""


class PruneService:
    """Prunes every camera once a day.

    Every transaction leaves the tables consistent and notes how far it came, so a slice that is
    cut short, repeated or run beside another one does no harm.
    """

    def __init__(
        self, db: Database, retention: Retention, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._db = db
        self._retention = retention
        self._now = now

    def work(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """A `Work`: one slice for all jobs of a batch."""
        stop = max(RESERVE_S, deadline.remaining() - SLICE_S)
        for job in jobs:
            finished = self._prune(job.created_at, lambda: not deadline.allows(stop))
            yield job, Done() if finished else Postpone(self._now() + PAUSE)

    def _prune(self, since: datetime, stop: Callable[[], bool]) -> bool:
        """Prune until `stop`; the answer is whether every camera was pruned since then."""
        for camera_id in self._db.read(partial(list_unpruned_cameras, since=since)):
            more = True
            while more:
                if stop():
                    return False
                now = self._now()
                before = self._retention.rows_before(now)
                more = self._db.write(
                    partial(prune_camera, camera_id=camera_id, before=before, now=now)
                )
        return True
