"""Rows of incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, or_, select, update

from functions.detection.repository.tables import (
    CANDIDATE,
    ENDED,
    OPEN,
    SUPERSEDED,
    closings,
    incidents,
)
from hearth.db import insert_for


def get_episode_before(
    tx: Connection, camera_id: str, zone: str, before: datetime
) -> Row[Any] | None:
    """The latest episode that began before a time and can still be recomputed."""
    first_seen = incidents.c.first_seen
    query = _select_recomputable(camera_id, zone).where(first_seen < before)
    return tx.execute(query.order_by(first_seen.desc()).limit(1)).one_or_none()


def list_episodes_from(
    tx: Connection, camera_id: str, zone: str, start: datetime
) -> Sequence[Row[Any]]:
    """Episodes that begin at or after a time and can still be recomputed, in order."""
    first_seen = incidents.c.first_seen
    query = _select_recomputable(camera_id, zone).where(first_seen >= start)
    return tx.execute(query.order_by(first_seen)).all()


def get_chain_link(
    tx: Connection, camera_id: str, zone: str, before: datetime, *, only_pruned: bool
) -> Row[Any] | None:
    """The latest episode that began before a time, also one that is final."""
    c = incidents.c
    query = select(incidents).where(
        c.camera_id == camera_id, c.zone == zone, c.state != SUPERSEDED, c.first_seen < before
    )
    if only_pruned:
        query = query.where(c.pruned_at.is_not(None))
    return tx.execute(query.order_by(c.first_seen.desc()).limit(1)).one_or_none()


def list_chain(tx: Connection, root_id: str) -> Sequence[Row[Any]]:
    """An incident and its continuations, in order of time."""
    c = incidents.c
    of_chain = or_(c.id == root_id, c.continuation_of == root_id)
    return tx.execute(select(incidents).where(of_chain).order_by(c.first_seen, c.id)).all()


def _select_recomputable(camera_id: str, zone: str) -> Select[Any]:
    c = incidents.c
    return select(incidents).where(
        c.camera_id == camera_id, c.zone == zone, c.state != SUPERSEDED, c.pruned_at.is_(None)
    )


def get_incident(tx: Connection, incident_id: str) -> Row[Any] | None:
    return tx.execute(select(incidents).where(incidents.c.id == incident_id)).one_or_none()


def insert_incident(tx: Connection, values: dict[str, Any]) -> None:
    tx.execute(insert_for(tx.dialect.name)(incidents).values(**values))


def update_incident(tx: Connection, incident_id: str, values: dict[str, Any]) -> None:
    tx.execute(update(incidents).where(incidents.c.id == incident_id).values(**values))


def delete_incident(tx: Connection, incident_id: str) -> None:
    tx.execute(delete(incidents).where(incidents.c.id == incident_id))
    tx.execute(delete(closings).where(closings.c.incident_id == incident_id))


def list_open_incidents(tx: Connection, camera_id: str) -> Sequence[Any]:
    """id, zone, revision, first_seen and last_seen of the camera's open incidents."""
    c = incidents.c
    return tx.execute(
        select(c.id, c.zone, c.revision, c.first_seen, c.last_seen)
        .where(c.camera_id == camera_id, c.state == OPEN)
        .order_by(c.id)
    ).all()


def find_settled_start(
    tx: Connection, camera_id: str, zone: str, first_seen: datetime, gap: timedelta
) -> datetime:
    """Where the part of the chain begins whose cuts are not settled yet.

    An episode begins where its predecessor was cut, so it is certain only if that one is.
    """
    floor = first_seen
    while (before := get_episode_before(tx, camera_id, zone, floor)) is not None:
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
    *,
    continuations: bool = False,
) -> Sequence[Row[Any]]:
    """Incidents, the latest first; ids sort by their beginning.

    Args:
        continuations: Lists also what continues another incident.
    """
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
    if not continuations:
        wanted.append(c.continuation_of.is_(None))
    return tx.execute(
        select(incidents).where(and_(*wanted)).order_by(c.id.desc()).limit(limit)
    ).all()
