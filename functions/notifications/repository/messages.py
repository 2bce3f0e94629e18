"""The tables of messages and of the attempts to send them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from functions.notifications.repository.tables import attempts, messages
from functions.notifications.schemas import MessageContent
from hearth.db import insert_for


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A stored message."""

    id: str
    channel: str
    content: MessageContent
    state: str
    attempts: int
    created_at: datetime


def add_message(
    tx: Connection, message_id: str, channel: str, content: MessageContent, now: datetime
) -> None:
    """Store a message to send."""
    tx.execute(
        insert_for(tx.dialect.name)(messages).values(
            id=message_id,
            channel=channel,
            content=content.model_dump(mode="json", by_alias=True),
            carries=content.total,
            state="queued",
            attempts=0,
            error=None,
            created_at=now,
            finished_at=None,
        )
    )


def message_exists(tx: Connection, message_id: str) -> bool:
    query = select(messages.c.id).where(messages.c.id == message_id)
    return tx.execute(query).scalar_one_or_none() is not None


def channels_of(tx: Connection, message_ids: Collection[str]) -> dict[str, str]:
    """Return the channel of each message that exists."""
    query = select(messages.c.id, messages.c.channel).where(messages.c.id.in_(message_ids))
    return {row.id: row.channel for row in tx.execute(query)}


def begin_attempt(tx: Connection, message_id: str, now: datetime) -> MessageRow | None:
    """Count an attempt before it is made; None when the message does not exist.

    A message that is sent is left as it is.
    """
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
    """Record the end of an attempt; a message that is sent stays sent."""
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


def attempts_of(tx: Connection, message_ids: Collection[str]) -> dict[str, list[Row[Any]]]:
    """Return the attempts of each message, in order."""
    a = attempts.c
    rows = tx.execute(
        select(attempts).where(a.message_id.in_(message_ids)).order_by(a.message_id, a.number)
    )
    found: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        found[row.message_id].append(row)
    return found
