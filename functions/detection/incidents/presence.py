"""Tells people when a camera falls silent, and when it is back.

A camera that is watched has one job that looks after it: due when the camera has been silent for
too long, and put off while frames come in. A stream that was ended on purpose is not silent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from functions.detection.cameras import is_watched
from functions.detection.policy import Policy
from functions.detection.repository.cameras import get_camera, lock_camera, update_camera
from functions.detection.schemas import CameraBack, CameraSilent, Site
from hearth.frames import QUEUE
from hearth.ids import CLOCK_TOLERANCE, format_time, new_ulid, utc_now
from hearth.ledger.consumer import Done, Outcome, Postpone
from hearth.ledger.events import Event
from hearth.ledger.ledger import Job, Ledger, NewJob, UnitOfWork

PRESENCE: Final = "detection.presence"
CAMERA_SILENT: Final = "safety.camera.silent"
CAMERA_BACK: Final = "safety.camera.back"
SILENT_AFTER_S: Final = 120.0
"""Of cameras that the stack watches by itself, where the policy does not say it."""


def note_frames(
    work: UnitOfWork, camera_id: str, silent_after_s: float | None, site: Site, now: datetime
) -> None:
    """Note that frames of a camera came in.

    Args:
        silent_after_s: From the policy; without it only cameras that have a row are looked after.
    """
    camera = lock_camera(work.tx, camera_id)
    changes: dict[str, object] = {"received_at": now}
    if camera.silent_since is not None:
        changes["silent_since"] = None
        data = CameraBack(
            camera_id=camera_id, site=site, silent_since=camera.silent_since, back_at=now
        )
        event_id = f"{camera_id}:{format_time(camera.silent_since)}"
        work.emit(Event(CAMERA_BACK, event_id, now, camera_id, data.model_dump(mode="json")))
    if camera.presence_key is None and (after := _patience(work, camera_id, silent_after_s)):
        key = changes["presence_key"] = f"presence:{camera_id}:{new_ulid()}"
        work.add(
            NewJob(
                kind=PRESENCE,
                queue=QUEUE,
                dedupe_key=key,
                payload={"camera_id": camera_id},
                available_at=now + timedelta(seconds=after),
            )
        )
    update_camera(work.tx, camera_id, changes)


def note_end(work: UnitOfWork, camera_id: str, now: datetime) -> None:
    """A stream was ended on purpose: look after its camera at once, and no more."""
    camera = get_camera(work.tx, camera_id)
    if camera is not None and camera.presence_key is not None:
        update_camera(work.tx, camera_id, {"presence_key": None})
        work.cancel(camera.presence_key)


def _patience(work: UnitOfWork, camera_id: str, silent_after_s: float | None) -> float | None:
    if silent_after_s is not None:
        return silent_after_s
    return SILENT_AFTER_S if is_watched(work.tx, camera_id) else None


class PresenceService:
    """Looks after cameras.

    Args:
        policy: The policy in force.
        site: Named in events.
    """

    def __init__(
        self,
        ledger: Ledger,
        policy: Callable[[], Policy],
        site: Site,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = ledger.db
        self._policy = policy
        self._site = site
        self._now = now

    def check(self, job: Job) -> Outcome:
        """Publish that a camera is silent, or look again later."""
        camera_id = job.payload["camera_id"]
        camera = self._db.read(lambda tx: get_camera(tx, camera_id))
        if camera is None or camera.presence_key != job.dedupe_key:
            return Done()
        after_s = self._policy().rules(camera_id).silent_after_s or SILENT_AFTER_S
        now = self._now()
        if camera.received_at > now + CLOCK_TOLERANCE:
            # The clock was set back: silence is counted from here.
            self._db.write(lambda tx: update_camera(tx, camera_id, {"received_at": now}))
            return Postpone(now + timedelta(seconds=after_s))
        due = camera.received_at + timedelta(seconds=after_s)
        if due > now:
            return Postpone(due)
        received_at = camera.received_at

        def write(work: UnitOfWork) -> None:
            current = lock_camera(work.tx, camera_id)
            if current.presence_key != job.dedupe_key or current.received_at != received_at:
                # A frame came in meanwhile: its own job looks after the camera.
                update_camera(work.tx, camera_id, {"presence_key": None})
                return
            changes = {"silent_since": received_at, "presence_key": None}
            update_camera(work.tx, camera_id, changes)
            data = CameraSilent(camera_id=camera_id, site=self._site, last_received_at=received_at)
            event_id = f"{camera_id}:{format_time(received_at)}"
            work.emit(
                Event(CAMERA_SILENT, event_id, self._now(), camera_id, data.model_dump(mode="json"))
            )

        return Done(write)
