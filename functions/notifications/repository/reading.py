"""What the API shows. Every function takes the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from functions.notifications.repository.tables import (
    attempts,
    deliveries,
    messages,
    notifications,
)


def list_notifications(
    tx: Connection,
    *,
    limit: int,
    event_type: str | None = None,
    person: str | None = None,
    before_id: str | None = None,
) -> Sequence[Row[Any]]:
    """Notifications, newest event first.

    Args:
        tx: Transaction.
        limit: At most this many.
        event_type: Of this type only.
        person: Only what concerns this user; None shows everything.
        before_id: Older than this one.
    """
    n = notifications.c
    wanted: list[ColumnElement[bool]] = []
    if event_type is not None:
        wanted.append(n.event_type == event_type)
    if person is not None:
        wanted.append(_concerns(person))
    if before_id is not None:
        wanted.append(n.id < before_id)
    return tx.execute(select(notifications).where(*wanted).order_by(n.id.desc()).limit(limit)).all()


def get_notification(
    tx: Connection, notification_id: str, person: str | None = None
) -> Row[Any] | None:
    """One notification; with `person` only if it concerns this user."""
    query = select(notifications).where(notifications.c.id == notification_id)
    if person is not None:
        query = query.where(_concerns(person))
    return tx.execute(query).one_or_none()


def deliveries_of(tx: Connection, ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Notification id → its deliveries by channel, each with the state of its message."""
    d, m = deliveries.c, messages.c
    rows = tx.execute(
        select(deliveries, m.state.label("message_state"), m.carries, m.error, m.finished_at)
        .outerjoin(messages, m.id == d.message_id)
        .where(d.notification_id.in_(ids))
        .order_by(d.channel)
    )
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.notification_id].append(row)
    return found


def attempts_of(tx: Connection, message_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Message id → the attempts to send it, in order."""
    a = attempts.c
    rows = tx.execute(
        select(attempts).where(a.message_id.in_(message_ids)).order_by(a.message_id, a.number)
    )
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.message_id].append(row)
    return found


def _concerns(person: str) -> ColumnElement[bool]:
    n = notifications.c
    return or_(n.for_everybody, n.person == person, n.second_person == person)
