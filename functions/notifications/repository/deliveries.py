"""The table of deliveries: what was decided for a notification on each channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from functions.notifications.repository.tables import deliveries, messages, notifications
from functions.notifications.schemas import EventSummary
from hearth.db import insert_for


def add_delivery(
    tx: Connection,
    notification_id: str,
    channel: str,
    now: datetime,
    *,
    state: str,
    reason: str | None = None,
    not_before: datetime | None = None,
    message_id: str | None = None,
) -> None:
    tx.execute(
        insert_for(tx.dialect.name)(deliveries).values(
            notification_id=notification_id,
            channel=channel,
            state=state,
            reason=reason,
            not_before=not_before,
            message_id=message_id,
            created_at=now,
        )
    )


def deliveries_of(tx: Connection, ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Return the deliveries of each notification by channel, with the state of their messages."""
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


def list_waiting(
    tx: Connection, channel: str, until: datetime, limit: int
) -> tuple[int, list[EventSummary]]:
    """Count the notifications that wait on a channel for a time, and return the earliest ones."""
    d = deliveries.c
    due = (d.channel == channel) & (d.state == "waiting") & (d.not_before == until)
    total = tx.execute(select(func.count()).select_from(deliveries).where(due)).scalar_one()
    rows = tx.execute(
        select(notifications)
        .join(deliveries, d.notification_id == notifications.c.id)
        .where(due)
        .order_by(notifications.c.id)
        .limit(limit)
    )
    return total, [_to_summary(row) for row in rows]


def assign_message(tx: Connection, channel: str, until: datetime, message_id: str) -> None:
    """Record the digest that carries the deliveries that waited."""
    d = deliveries.c
    tx.execute(
        update(deliveries)
        .where(d.channel == channel, d.state == "waiting", d.not_before == until)
        .values(state="sent", message_id=message_id)
    )


def _to_summary(row: Row[Any]) -> EventSummary:
    return EventSummary(
        type=row.event_type,
        id=row.event_id,
        subject=row.subject,
        time=row.occurred_at,
        title=row.title,
        lines=tuple(row.lines),
        details=row.details,
    )
