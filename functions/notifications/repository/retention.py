"""Deletes notifications and messages that are older than their retention."""

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

BATCH: Final = 20
"""More than one new notification adds, so that a backlog shrinks."""


def delete_expired(tx: Connection, before: datetime) -> None:
    """Delete some notifications of events before a time, and some messages, the oldest first.

    Messages that are not sent yet stay.
    """
    first = first_ulid(before)
    n, m = notifications.c, messages.c
    old = select(n.id).where(n.id < first).order_by(n.id).limit(BATCH)
    if ids := tx.execute(old).scalars().all():
        tx.execute(delete(deliveries).where(deliveries.c.notification_id.in_(ids)))
        tx.execute(delete(notifications).where(n.id.in_(ids)))
    over = (
        select(m.id)
        .where(m.id < first, m.state.in_(("sent", "failed")))
        .order_by(m.id)
        .limit(BATCH)
    )
    if ids := tx.execute(over).scalars().all():
        tx.execute(delete(attempts).where(attempts.c.message_id.in_(ids)))
        tx.execute(delete(messages).where(m.id.in_(ids)))
