"""Forgets what people were told long ago."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, select

from functions.notifications.repository.tables import (
    attempts,
    deliveries,
    messages,
    notifications,
)
from hearth.ids import first_ulid

AT_ONCE: Final = 20
"""More than one new notification brings, so that none are left over."""


def forget(tx: Connection, before: datetime) -> None:
    """Delete some notifications of events before a time, and some messages; the oldest first.

    A digest is as old as its end, so it goes after what it tells. One that waits to be sent stays.
    """
    first = first_ulid(before)
    n, m = notifications.c, messages.c
    old = select(n.id).where(n.id < first).order_by(n.id).limit(AT_ONCE)
    if ids := tx.execute(old).scalars().all():
        tx.execute(delete(deliveries).where(deliveries.c.notification_id.in_(ids)))
        tx.execute(delete(notifications).where(n.id.in_(ids)))
    over = (
        select(m.id)
        .where(m.id < first, m.state.in_(("sent", "failed")))
        .order_by(m.id)
        .limit(AT_ONCE)
    )
    if ids := tx.execute(over).scalars().all():
        tx.execute(delete(attempts).where(attempts.c.message_id.in_(ids)))
        tx.execute(delete(messages).where(m.id.in_(ids)))
