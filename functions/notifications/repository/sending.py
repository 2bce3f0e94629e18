"""Messages and the attempts to send them. Every function takes the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from functions.notifications.repository.tables import attempts, messages
from functions.notifications.schemas import MessageContent
from hearth.db import insert_for


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message as it is stored."""

    id: str
    channel: str
    content: MessageContent
    state: str
    attempts: int
    created_at: datetime


def channels_of(tx: Connection, message_ids: Collection[str]) -> dict[str, str]:
    """Message id → channel, of those that exist."""
    query = select(messages.c.id, messages.c.channel).where(messages.c.id.in_(message_ids))
    return {row.id: row.channel for row in tx.execute(query)}


def begin_attempt(tx: Connection, message_id: str, now: datetime) -> MessageRow | None:
    """Count an attempt before it is made; None: no such message. A sent one is left as it is."""
    m = messages.c
    tx.execute(
        update(messages)
        .where(m.id == message_id, m.state != "sent")
        .values(state="queued", attempts=m.attempts + 1, error=None, finished_at=None)
    )
    row = tx.execute(select(messages).where(m.id == message_id)).one_or_none()
    if row is None:
        return None
    if row.state != "sent":
        tx.execute(
            insert_for(tx.dialect.name)(attempts).values(
                message_id=message_id,
                number=row.attempts,
                began_at=now,
                ended_at=None,
                outcome="begun",
                detail="",
            )
        )
    content = MessageContent.model_validate(row.content)
    return MessageRow(row.id, row.channel, content, row.state, row.attempts, row.created_at)


def end_attempt(
    tx: Connection,
    message: MessageRow,
    now: datetime,
    *,
    state: str,
    outcome: str,
    detail: str,
) -> None:
    """Record how an attempt ended; a message that is sent stays sent."""
    tx.execute(
        update(attempts)
        .where(attempts.c.message_id == message.id, attempts.c.number == message.attempts)
        .values(ended_at=now, outcome=outcome, detail=detail)
    )
    tx.execute(
        update(messages)
        .where(messages.c.id == message.id, messages.c.state != "sent")
        .values(
            state=state,
            error=None if state == "sent" else detail,
            finished_at=None if state == "queued" else now,
        )
    )
