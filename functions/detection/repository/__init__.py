"""The tables of this function: cameras, frames, observations, incidents, models.

The whole picture's zone is the empty string in the tables, because it is part of primary keys.
A frame's key sorts by time within its camera, so ranges of time are ranges of keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Insert,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from functions.detection.incidents.episodes import Observation
from hearth.db import JsonText, UtcDateTime, insert_for
from hearth.frames import camera_prefix, frame_key

metadata = MetaData()

cameras = Table(
    "detection_cameras",
    metadata,
    Column("camera_id", Text, primary_key=True),
    Column("frames", Integer, nullable=False),
    Column("frames_with_person", Integer, nullable=False),
    Column("compliant", Integer, nullable=False),
    Column("violation", Integer, nullable=False),
    Column("indeterminate", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("first_frame_at", UtcDateTime),
    Column("last_frame_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("model_id", Text),
    Column("changes", Integer, nullable=False),
    Column("pruned_at", UtcDateTime),
    Column("prune_cursor", Text),
    Column("pruned_until", UtcDateTime),
    # Frames that were let go, because they had waited too long and because there were too many.
    Column("dropped", Integer),
    Column("over_rate", Integer),
)

frames = Table(
    "detection_frames",
    metadata,
    Column("frame_key", Text, primary_key=True),
    Column("camera_id", Text, nullable=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("persons", Integer, nullable=False),
    Column("compliant", Integer, nullable=False),
    Column("violation", Integer, nullable=False),
    Column("indeterminate", Integer, nullable=False),
    Column("result", JsonText),
    Column("model_id", Text),
    Column("error", Text),
    Column("processed_at", UtcDateTime, nullable=False),
)

observations = Table(
    "detection_observations",
    metadata,
    Column("frame_key", Text, primary_key=True),
    Column("zone", Text, primary_key=True),
    Column("class_name", Text, primary_key=True),
    Column("person", Integer, primary_key=True, autoincrement=False),
    Column("captured_at", UtcDateTime, nullable=False),
    Column("score", Float, nullable=False),
)

incidents = Table(
    "detection_incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("camera_id", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("first_frame_key", Text, nullable=False),
    Column("last_frame_key", Text, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("persons_max", Integer, nullable=False),
    Column("classes", JsonText, nullable=False),
    Column("peak_frame_key", Text, nullable=False),
    Column("continues", Boolean, nullable=False),
    Column("end_reason", Text),
    Column("evidence", JsonText),
    Column("superseded_by", Text),
    Column("watch_key", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # Since when its observations are deleted: it is final.
    Column("pruned_at", UtcDateTime),
    # A person has dealt with it, as `closings` tell. Late frames do not change that.
    Column("closed_at", UtcDateTime),
    Column("closed_by_task", Text),
    Index("ix_detection_incidents_place", "camera_id", "zone", "first_seen"),
    Index("ix_detection_incidents_state", "camera_id", "state"),
    Index("ix_detection_incidents_pruned", "camera_id", "pruned_at"),
    Index("ix_detection_incidents_peak", "peak_frame_key"),
)

closings = Table(
    "detection_closings",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("task_id", Text, primary_key=True),
    Column("at", UtcDateTime, primary_key=True),
    Column("reopened", Boolean, primary_key=True),
)
"""What the tasks of an incident told: when each was completed, and when reopened."""

models = Table(
    "detection_models",
    metadata,
    Column("id", Text, primary_key=True),
    Column("body", JsonText, nullable=False),
)

CANDIDATE: Final = "candidate"
"""An episode of which no class is confirmed: remembered, but no incident. One of a later revision
was reported and then taken back, by frames that arrived late; people see it as superseded."""
OPEN: Final = "open"
ENDED: Final = "ended"
SUPERSEDED: Final = "superseded"
_COUNTERS: Final = (
    "frames",
    "frames_with_person",
    "compliant",
    "violation",
    "indeterminate",
    "failed",
)
_IN_LIST: Final = 500


# ---- cameras ----


def lock_camera(tx: Connection, camera_id: str) -> Row[Any]:
    """The camera's row, made if there is none, held by this transaction until it ends.

    Two workers that judge frames of one camera at once would each recompute its incidents without
    the other's observations. The row makes them take turns: PostgreSQL by its lock, DSQL by
    refusing the second commit; SQLite has one writer anyway.
    """
    new = dict.fromkeys(_COUNTERS, 0) | {"camera_id": camera_id, "changes": 1}
    statement = insert_for(tx.dialect.name)(cameras).values(**new)
    return tx.execute(
        statement.on_conflict_do_update(
            index_elements=["camera_id"], set_={"changes": cameras.c.changes + 1}
        ).returning(cameras)
    ).one()


def update_camera(tx: Connection, camera_id: str, values: dict[str, Any]) -> None:
    tx.execute(update(cameras).where(cameras.c.camera_id == camera_id).values(**values))


def last_frames(tx: Connection, camera_ids: Iterable[str]) -> dict[str, datetime]:
    """When each camera's latest judged frame was captured; a camera without one is left out."""
    c = cameras.c
    rows = tx.execute(
        select(c.camera_id, c.last_frame_at).where(
            c.camera_id.in_(sorted(camera_ids)), c.last_frame_at.is_not(None)
        )
    )
    return {row.camera_id: row.last_frame_at for row in rows}


def list_cameras(tx: Connection) -> Sequence[Row[Any]]:
    """Cameras by id, each with its number of open incidents and its model's description."""
    opened = (
        select(incidents.c.camera_id, func.count().label("open_incidents"))
        .where(incidents.c.state == OPEN)
        .group_by(incidents.c.camera_id)
        .subquery()
    )
    return tx.execute(
        select(cameras, func.coalesce(opened.c.open_incidents, 0).label("open_incidents"))
        .add_columns(models.c.body.label("model"))
        .outerjoin(opened, opened.c.camera_id == cameras.c.camera_id)
        .outerjoin(models, models.c.id == cameras.c.model_id)
        .order_by(cameras.c.camera_id)
    ).all()


# ---- frames and observations ----


def known_frames(tx: Connection, keys: Sequence[str]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for start in range(0, len(keys), _IN_LIST):
        chunk = keys[start : start + _IN_LIST]
        rows = tx.execute(select(frames).where(frames.c.frame_key.in_(chunk)))
        found.update((row.frame_key, row) for row in rows)
    return found


def put_frames(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    tx.execute(_upsert_frames(tx.dialect.name), list(rows))


@cache
def _upsert_frames(dialect: str) -> Insert:
    # Built once: `excluded` copies the whole table each time it is asked for.
    statement = insert_for(dialect)(frames)
    changed = {
        column.name: statement.excluded[column.name]
        for column in frames.columns
        if column.name != "frame_key"
    }
    return statement.on_conflict_do_update(index_elements=["frame_key"], set_=changed)


def frame(tx: Connection, key: str) -> Row[Any] | None:
    """One frame with its model's description as `model`."""
    return tx.execute(
        select(frames, models.c.body.label("model"))
        .outerjoin(models, models.c.id == frames.c.model_id)
        .where(frames.c.frame_key == key)
    ).one_or_none()


def frames_with_people(
    tx: Connection, camera_id: str, first_key: str, last_key: str, limit: int
) -> Sequence[Row[str, datetime, dict[str, Any]]]:
    """Key, time and result of a camera's judged frames with somebody on them, in order."""
    c = frames.c
    return tx.execute(
        select(c.frame_key, c.captured_at, c.result)
        .where(
            c.camera_id == camera_id,
            c.frame_key.between(first_key, last_key),
            c.persons > 0,
            c.result.is_not(None),
        )
        .order_by(c.frame_key)
        .limit(limit)
    ).all()


def captured_within(
    tx: Connection, camera_id: str, spans: Iterable[tuple[datetime, datetime]]
) -> set[datetime]:
    """When a camera's judged frames of some spans of time were captured; ends belong to them."""
    c = frames.c
    times: set[datetime] = set()
    for span in spans:
        first, last = (frame_key(camera_id, time) for time in span)
        times.update(
            tx.execute(
                select(c.captured_at).where(
                    c.camera_id == camera_id,
                    c.frame_key.between(first, last),
                    c.error.is_(None),
                )
            ).scalars()
        )
    return times


def delete_frames(tx: Connection, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), _IN_LIST):
        tx.execute(delete(frames).where(frames.c.frame_key.in_(keys[start : start + _IN_LIST])))


def put_model(tx: Connection, model_id: str, body: dict[str, Any]) -> None:
    statement = insert_for(tx.dialect.name)(models).values(id=model_id, body=body)
    tx.execute(statement.on_conflict_do_nothing(index_elements=["id"]))


def put_observations(tx: Connection, seen: Iterable[tuple[str, Observation]]) -> None:
    """Store pairs of zone ("" for the whole picture) and observation."""
    rows = [
        {
            "frame_key": one.frame_key,
            "zone": zone,
            "class_name": one.class_name,
            "person": one.person,
            "captured_at": one.captured_at,
            "score": one.score,
        }
        for zone, one in seen
    ]
    if rows:
        tx.execute(insert_for(tx.dialect.name)(observations), rows)


def drop_observations(tx: Connection, frame_keys: Sequence[str]) -> set[tuple[str, datetime]]:
    """Forget what was seen on some frames; returns the zones and times that it was in."""
    dropped: set[tuple[str, datetime]] = set()
    for start in range(0, len(frame_keys), _IN_LIST):
        chunk = frame_keys[start : start + _IN_LIST]
        rows = tx.execute(
            delete(observations)
            .where(observations.c.frame_key.in_(chunk))
            .returning(observations.c.zone, observations.c.captured_at)
        )
        dropped.update((row.zone, row.captured_at) for row in rows)
    return dropped


def observed(
    tx: Connection, camera_id: str, zone: str, first_key: str, last_key: str
) -> list[Observation]:
    """Observations of one place on the frames from `first_key` to `last_key`, both included."""
    c = observations.c
    rows = tx.execute(
        select(c.captured_at, c.frame_key, c.person, c.class_name, c.score).where(
            c.zone == zone, c.frame_key.between(first_key, last_key)
        )
    )
    # A database that sorts by the rules of a language ignores "-" and "/" at first, and may put
    # another camera's keys between ours.
    prefix = camera_prefix(camera_id)
    return [Observation(*row) for row in rows if row.frame_key.startswith(prefix)]


# ---- incidents ----


def episode_before(tx: Connection, camera_id: str, zone: str, before: datetime) -> Row[Any] | None:
    """The latest episode that began before a time and can still be recomputed."""
    c = incidents.c
    return tx.execute(
        select(incidents)
        .where(
            c.camera_id == camera_id,
            c.zone == zone,
            c.first_seen < before,
            c.state != SUPERSEDED,
            c.pruned_at.is_(None),
        )
        .order_by(c.first_seen.desc())
        .limit(1)
    ).one_or_none()


def episodes_from(
    tx: Connection, camera_id: str, zone: str, first_seen: datetime
) -> Sequence[Row[Any]]:
    """Episodes that begin at or after a time and can still be recomputed, in order."""
    c = incidents.c
    return tx.execute(
        select(incidents)
        .where(
            c.camera_id == camera_id,
            c.zone == zone,
            c.first_seen >= first_seen,
            c.state != SUPERSEDED,
            c.pruned_at.is_(None),
        )
        .order_by(c.first_seen)
    ).all()


def incident(tx: Connection, incident_id: str) -> Row[Any] | None:
    return tx.execute(select(incidents).where(incidents.c.id == incident_id)).one_or_none()


def insert_incident(tx: Connection, values: dict[str, Any]) -> None:
    tx.execute(insert_for(tx.dialect.name)(incidents).values(**values))


def update_incident(tx: Connection, incident_id: str, values: dict[str, Any]) -> None:
    tx.execute(update(incidents).where(incidents.c.id == incident_id).values(**values))


def delete_incident(tx: Connection, incident_id: str) -> None:
    tx.execute(delete(incidents).where(incidents.c.id == incident_id))
    tx.execute(delete(closings).where(closings.c.incident_id == incident_id))


def open_incidents(tx: Connection, camera_id: str) -> Sequence[Any]:
    """id, zone, revision, first_seen and last_seen of the camera's open incidents."""
    c = incidents.c
    return tx.execute(
        select(c.id, c.zone, c.revision, c.first_seen, c.last_seen)
        .where(c.camera_id == camera_id, c.state == OPEN)
        .order_by(c.id)
    ).all()


def settled_floor(
    tx: Connection, camera_id: str, zone: str, first_seen: datetime, gap: timedelta
) -> datetime:
    """Where the part of the chain begins whose cuts are not settled yet.

    An episode begins where its predecessor was cut, so it is certain only if that one is.
    """
    floor = first_seen
    while (before := episode_before(tx, camera_id, zone, floor)) is not None:
        if before.state == ENDED or floor - before.last_seen > gap:
            break
        floor = before.first_seen
    return floor


def list_incidents(
    tx: Connection,
    camera_id: str | None,
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    closed: bool | None,
    before_id: str | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Incidents, the latest first; ids sort by their beginning."""
    c = incidents.c
    taken_back = and_(c.state == CANDIDATE, c.revision > 1)
    if state is None:
        wanted = [or_(c.state != CANDIDATE, taken_back)]
    elif state == SUPERSEDED:
        wanted = [or_(c.state == SUPERSEDED, taken_back)]
    else:
        wanted = [c.state == state]
    if camera_id is not None:
        wanted.append(c.camera_id == camera_id)
    if since is not None:
        wanted.append(c.last_seen >= since)
    if until is not None:
        wanted.append(c.first_seen < until)
    if closed is not None:
        wanted.append(c.closed_at.is_not(None) if closed else c.closed_at.is_(None))
    if before_id is not None:
        wanted.append(c.id < before_id)
    return tx.execute(
        select(incidents).where(and_(*wanted)).order_by(c.id.desc()).limit(limit)
    ).all()
