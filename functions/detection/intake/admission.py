"""Admission: which frames of a queue batch are fetched, decided by their keys alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from functions.detection.intake.frame_batch import Frame, FrameBatch
from functions.detection.intake.load_shedding import FairShare, find_overdue
from functions.detection.intake.rate_limit import over_rate_limit, windows
from functions.detection.policy import Policy
from functions.detection.repository.cameras import get_last_frame_times
from functions.detection.repository.frames import list_capture_times
from hearth.db import Database
from hearth.errors import HearthError
from hearth.frames import parse_frame_key
from hearth.ledger.ledger import Job

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Admission:
    """Sheds load and limits rates, where the policy asks for it."""

    def __init__(self, db: Database, now: Callable[[], datetime]) -> None:
        self._db = db
        self._now = now
        self._shares = FairShare()

    def admit(self, jobs: Sequence[Job], policy: Policy) -> FrameBatch:
        """The batch with its frames accepted, dropped, or failed because of their keys.

        Raises:
            Unavailable: the database does not answer.
        """
        batch = FrameBatch()
        for job in jobs:
            try:
                ref = parse_frame_key(job.payload["key"])
                batch.accepted.append(Frame(job, ref, policy.rules(ref.camera_id)))
            except HearthError as error:
                batch.failed.append((job, error))
        batch.drop(self._overdue(batch.accepted), "lag")
        # Frames dropped as overdue do not count against the rate limit.
        batch.drop(self._over_rate_limit(batch.accepted), "rate")
        return batch

    def _overdue(self, frames: Sequence[Frame]) -> set[str]:
        """Ids of jobs whose frames waited too long."""
        self._shares.count(frame.ref.camera_id for frame in frames)
        bounded = [
            (frame.job.id, (frame.ref.camera_id, frame.ref.captured_at, frame.rules.max_lag_s))
            for frame in frames
            if frame.rules.max_lag_s is not None
        ]
        cameras = {camera_id for _, (camera_id, _, _) in bounded}
        now, lag_factor = self._now(), self._shares.lag_factor
        # The database is not asked about a batch that came in time.
        if not find_overdue(bounded, dict.fromkeys(cameras, now), now, lag_factor):
            return set()
        last_judged = self._db.read(lambda tx: get_last_frame_times(tx, cameras))
        return find_overdue(bounded, last_judged, now, lag_factor)

    def _over_rate_limit(self, frames: Sequence[Frame]) -> set[str]:
        """Ids of jobs whose frames are more than their camera may have judged."""
        by_camera: dict[tuple[str, float], dict[datetime, str]] = {}
        for frame in frames:
            if frame.rules.max_fps is not None:
                camera = frame.ref.camera_id, frame.rules.max_fps
                by_camera.setdefault(camera, {})[frame.ref.captured_at] = frame.job.id

        def read(tx: Connection) -> set[str]:
            over: set[str] = set()
            for (camera_id, max_fps), new in by_camera.items():
                stored = list_capture_times(tx, camera_id, windows(new, max_fps))
                over.update(new[time] for time in over_rate_limit(new, stored, max_fps))
            return over

        return self._db.read(read) if by_camera else set()
