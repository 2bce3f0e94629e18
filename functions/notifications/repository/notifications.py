"""The table of notifications: one row an event that some channel wants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from functions.notifications.notices import Notice
from functions.notifications.repository.tables import notifications
from hearth.db import insert_for
from hearth.ledger.events import Event


def add_notification(
    tx: Connection, notification_id: str, event: Event, notice: Notice, now: datetime
) -> bool:
    """Store an event's notification; False when it exists already."""
    user_ids = sorted(notice.user_ids or ())
    row = {
        "id": notification_id,
        "event_type": event.type,
        "event_id": event.id,
        "subject": event.subject,
        "title": notice.title,
        "lines": list(notice.lines),
        "details": dict(notice.details),
        "for_everybody": notice.user_ids is None,
        "person": user_ids[0] if user_ids else None,
        "second_person": user_ids[1] if len(user_ids) > 1 else None,
        "occurred_at": event.time,
        "created_at": now,
    }
    statement = insert_for(tx.dialect.name)(notifications).on_conflict_do_nothing(
        index_elements=["id"]
    )
    return tx.execute(statement.returning(notifications.c.id), row).scalar_one_or_none() is not None


def list_notifications(
    tx: Connection,
    *,
    limit: int,
    event_type: str | None = None,
    user_id: str | None = None,
    before_id: str | None = None,
) -> Sequence[Row[Any]]:
    """List notifications, newest event first.

    Args:
        user_id: Lists only what concerns this user; None lists everything.
        before_id: The id of the last notification of the page before.
    """
    n = notifications.c
    conditions: list[ColumnElement[bool]] = []
    if event_type is not None:
        conditions.append(n.event_type == event_type)
    if user_id is not None:
        conditions.append(_concerns(user_id))
    if before_id is not None:
        conditions.append(n.id < before_id)
    query = select(notifications).where(*conditions).order_by(n.id.desc()).limit(limit)
    return tx.execute(query).all()


def find_notification(
    tx: Connection, notification_id: str, user_id: str | None = None
) -> Row[Any] | None:
    """Find a notification; with `user_id` only if it concerns this user."""
    query = select(notifications).where(notifications.c.id == notification_id)
    if user_id is not None:
        query = query.where(_concerns(user_id))
    return tx.execute(query).one_or_none()


def _concerns(user_id: str) -> ColumnElement[bool]:
    n = notifications.c
    return or_(n.for_everybody, n.person == user_id, n.second_person == user_id)
