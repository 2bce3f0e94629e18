"""Retention: deletes the rows of frames that were judged long ago.

Each call is one short transaction of the caller, locks the camera's row and changes at most about
2,000 rows (Aurora DSQL refuses more than 3,000). Its position is kept in the camera's row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update

from functions.detection.repository.cameras import lock_camera, update_camera
from functions.detection.repository.tables import (
    CANDIDATE,
    OPEN,
    cameras,
    frames,
    incidents,
    observations,
)
from hearth.frames import camera_prefix, frame_key

INCIDENTS: Final = 500
"""Episodes that one transaction closes."""
FRAMES: Final = 1000
"""Frames that one transaction reads."""
ROWS: Final = 1500
"""Frames and observations that one transaction deletes."""
_IN_LIST: Final = 500


def list_unpruned_cameras(tx: Connection, since: datetime) -> Sequence[str]:
    """Cameras whose old frames were not all looked at since then, by id."""
    c = cameras.c
    return (
        tx.execute(
            select(c.camera_id)
            .where(or_(c.pruned_at.is_(None), c.pruned_at < since))
            .order_by(c.camera_id)
        )
        .scalars()
        .all()
    )


def prune_camera(tx: Connection, camera_id: str, before: datetime, now: datetime) -> bool:
    """Delete some frames of a camera that were judged before a time, and their observations.

    Kept are the peak frames of incidents, which their answers show; frames that could not be
    judged, because their failed jobs stay too; and every frame of an episode that changed since,
    whole, so that it can still be recomputed.

    Returns:
        Whether there is more to look at.
    """
    camera = lock_camera(tx, camera_id)
    if _close(tx, camera, before, now) == INCIDENTS:
        return True
    rows = _oldest(tx, camera, before)
    sizes = _observations_of(tx, [row.frame_key for row in rows])
    totals = accumulate(1 + sizes.get(row.frame_key, 0) for row in rows)
    # One frame at least, however much was seen on it, or there would be no end.
    room = max(1, sum(total <= ROWS for total in totals))
    _delete(tx, camera_id, rows[:room], before)
    more = len(rows) > room or len(rows) == FRAMES
    place = {"prune_cursor": rows[room - 1].frame_key} if more else {"prune_cursor": None}
    update_camera(tx, camera_id, place if more else place | {"pruned_at": now})
    return more


def list_pruned_spans(
    tx: Connection, camera_id: str, zone: str, first: datetime, last: datetime
) -> Sequence[tuple[datetime, datetime]]:
    """First and last time of each pruned episode of a place that overlaps with a span of time."""
    c = incidents.c
    rows = tx.execute(
        select(c.first_seen, c.last_seen).where(
            c.camera_id == camera_id,
            c.zone == zone,
            c.first_seen <= last,
            c.last_seen >= first,
            c.pruned_at.is_not(None),
        )
    )
    return [(row.first_seen, row.last_seen) for row in rows]


def _close(tx: Connection, camera: Row[Any], before: datetime, now: datetime) -> int:
    """Make old episodes final, before their observations go; returns how many there were."""
    c = incidents.c
    rows = tx.execute(
        select(c.id, c.state, c.revision, c.last_seen)
        .where(
            c.camera_id == camera.camera_id,
            c.pruned_at.is_(None),
            c.state != OPEN,
            c.updated_at < before,
        )
        .limit(INCIDENTS)
    ).all()
    unreported = [row.id for row in rows if row.state == CANDIDATE and row.revision == 1]
    reported = [row for row in rows if row.id not in set(unreported)]
    if unreported:
        tx.execute(delete(incidents).where(c.id.in_(unreported)))
    if reported:
        ids = [row.id for row in reported]
        tx.execute(update(incidents).where(c.id.in_(ids)).values(pruned_at=now))
        until = max(row.last_seen for row in reported)
        known = camera.pruned_until
        until = until if known is None else max(known, until)
        update_camera(tx, camera.camera_id, {"pruned_until": until})
    return len(rows)


def _oldest(
    tx: Connection, camera: Row[Any], before: datetime
) -> Sequence[Row[str, datetime, datetime, str | None]]:
    """The next frames in order of capture. What was judged before a time was captured before it."""
    c = frames.c
    after = camera.prune_cursor or camera_prefix(camera.camera_id)
    return tx.execute(
        select(c.frame_key, c.captured_at, c.processed_at, c.error)
        .where(
            c.camera_id == camera.camera_id,
            c.frame_key > after,
            c.frame_key < frame_key(camera.camera_id, before),
        )
        .order_by(c.frame_key)
        .limit(FRAMES)
    ).all()


def _observations_of(tx: Connection, keys: Sequence[str]) -> dict[str, int]:
    c = observations.c
    sizes: dict[str, int] = {}
    for chunk in _chunks(keys):
        query = select(c.frame_key, func.count()).where(c.frame_key.in_(chunk))
        sizes.update(tuple(row) for row in tx.execute(query.group_by(c.frame_key)))
    return sizes


def _delete(
    tx: Connection,
    camera_id: str,
    rows: Sequence[Row[str, datetime, datetime, str | None]],
    before: datetime,
) -> None:
    old = [row for row in rows if row.processed_at < before and row.error is None]
    if not old:
        return
    spans = _live_spans(tx, camera_id, old[0].captured_at, old[-1].captured_at)
    keys = [
        row.frame_key
        for row in old
        if not any(first <= row.captured_at <= last for first, last in spans)
    ]
    for chunk in _chunks(keys):
        tx.execute(delete(observations).where(observations.c.frame_key.in_(chunk)))
        peak = incidents.c.peak_frame_key
        peaks = set(tx.execute(select(peak).where(peak.in_(chunk))).scalars())
        gone = [key for key in chunk if key not in peaks]
        tx.execute(delete(frames).where(frames.c.frame_key.in_(gone)))


def _live_spans(
    tx: Connection, camera_id: str, first: datetime, last: datetime
) -> list[tuple[datetime, datetime]]:
    """Episodes in that time, of any zone, that may still be recomputed."""
    c = incidents.c
    overlaps: ColumnElement[bool] = and_(c.first_seen <= last, c.last_seen >= first)
    rows = tx.execute(
        select(c.first_seen, c.last_seen).where(
            c.camera_id == camera_id, c.pruned_at.is_(None), overlaps
        )
    )
    return [(row.first_seen, row.last_seen) for row in rows]


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _IN_LIST):
        yield keys[start : start + _IN_LIST]
