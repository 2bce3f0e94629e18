"""Rows of judged frames, with the models that judged them, and of what was observed on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Insert, Row, delete, select

from functions.detection.observations import Observation
from functions.detection.repository.tables import frames, models, observations
from hearth.db import insert_for
from hearth.frames import camera_prefix, frame_key

_IN_LIST: Final = 500


def get_frames(tx: Connection, keys: Sequence[str]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for start in range(0, len(keys), _IN_LIST):
        chunk = keys[start : start + _IN_LIST]
        rows = tx.execute(select(frames).where(frames.c.frame_key.in_(chunk)))
        found.update((row.frame_key, row) for row in rows)
    return found


def upsert_frames(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
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


def get_frame_with_model(tx: Connection, key: str) -> Row[Any] | None:
    """One frame with its model's description as `model`."""
    return tx.execute(
        select(frames, models.c.body.label("model"))
        .outerjoin(models, models.c.id == frames.c.model_id)
        .where(frames.c.frame_key == key)
    ).one_or_none()


def list_frames_with_people(
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


def list_frames_between(
    tx: Connection, camera_id: str, first_key: str, last_key: str
) -> Sequence[Any]:
    """Key, time and result of a camera's judged frames, both ends included, in order."""
    c = frames.c
    return tx.execute(
        select(c.frame_key, c.captured_at, c.result)
        .where(
            c.camera_id == camera_id,
            c.frame_key.between(first_key, last_key),
            c.result.is_not(None),
        )
        .order_by(c.frame_key)
    ).all()


def list_capture_times(
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


def insert_model(tx: Connection, model_id: str, body: dict[str, Any]) -> None:
    statement = insert_for(tx.dialect.name)(models).values(id=model_id, body=body)
    tx.execute(statement.on_conflict_do_nothing(index_elements=["id"]))


def insert_observations(tx: Connection, seen: Iterable[tuple[str, Observation]]) -> None:
    """Store pairs of zone ("" for the whole image) and observation."""
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


def delete_observations(tx: Connection, frame_keys: Sequence[str]) -> set[tuple[str, datetime]]:
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


def list_observations(
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
