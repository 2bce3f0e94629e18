"""Rows of cameras: counters, the latest frame, and the lock of a camera's incidents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update

from functions.detection.repository.tables import OPEN, cameras, incidents, models
from hearth.db import insert_for

_COUNTERS: Final = (
    "frames",
    "frames_with_person",
    "compliant",
    "violation",
    "indeterminate",
    "failed",
)


def lock_camera(tx: Connection, camera_id: str) -> Row[Any]:
    """The camera's row, created if there is none, locked until the transaction ends.

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


def get_camera(tx: Connection, camera_id: str) -> Row[Any] | None:
    return tx.execute(select(cameras).where(cameras.c.camera_id == camera_id)).one_or_none()


def update_camera(tx: Connection, camera_id: str, values: dict[str, Any]) -> None:
    tx.execute(update(cameras).where(cameras.c.camera_id == camera_id).values(**values))


def get_last_frame_times(tx: Connection, camera_ids: Iterable[str]) -> dict[str, datetime]:
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
