"""What to tell where: notifications, deliveries and what a channel was told of lately.

Every function takes the caller's transaction. Who decides for a channel holds its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from functions.notifications.notices import Notice
from functions.notifications.repository.tables import (
    channels,
    deliveries,
    messages,
    notifications,
    topics,
)
from functions.notifications.schemas import MessageContent, Told
from hearth.db import insert_for
from hearth.ledger.events import Event


@dataclass(frozen=True, slots=True)
class Window:
    """How many messages a channel got since the window began."""

    began_at: datetime
    told: int


def add_notification(
    tx: Connection, notification_id: str, event: Event, notice: Notice, now: datetime
) -> bool:
    """Store an event's notification; False when it is there already."""
    people = sorted(notice.people or ())
    row = {
        "id": notification_id,
        "event_type": event.type,
        "event_id": event.id,
        "subject": event.subject,
        "title": notice.title,
        "lines": list(notice.lines),
        "details": dict(notice.details),
        "for_everybody": notice.people is None,
        "person": people[0] if people else None,
        "second_person": people[1] if len(people) > 1 else None,
        "occurred_at": event.time,
        "created_at": now,
    }
    statement = insert_for(tx.dialect.name)(notifications).on_conflict_do_nothing(
        index_elements=["id"]
    )
    return tx.execute(statement.returning(notifications.c.id), row).scalar_one_or_none() is not None


def lock_channel(tx: Connection, channel: str, now: datetime, window: timedelta) -> Window:
    """The channel's row, held by this transaction until it ends; a window that is over is new.

    Two workers that decide for one channel at once would each miss what the other one decides.
    PostgreSQL makes them take turns by the row's lock, DSQL by refusing the second commit.
    """
    statement = insert_for(tx.dialect.name)(channels).values(
        channel=channel, window_began_at=now, told=0, changes=1
    )
    row = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["channel"], set_={"changes": channels.c.changes + 1}
        ).returning(channels)
    ).one()
    if row.window_began_at > now - window:
        return Window(row.window_began_at, row.told)
    tx.execute(
        update(channels).where(channels.c.channel == channel).values(window_began_at=now, told=0)
    )
    return Window(now, 0)


def claim_topics(
    tx: Connection,
    channel: str,
    about: Sequence[str],
    covers: Sequence[str],
    now: datetime,
    cooldown: timedelta,
) -> bool:
    """Note what a channel is told of now; False when it was told of all of `about` lately."""
    if not cooldown or not about:
        return True
    c = topics.c
    tx.execute(delete(topics).where(c.channel == channel, c.told_at <= now - cooldown))
    if not _note(tx, channel, about, now):
        return False
    _note(tx, channel, covers, now)
    return True


def _note(tx: Connection, channel: str, names: Iterable[str], now: datetime) -> bool:
    """Whether one of `names` was not noted yet."""
    statement = insert_for(tx.dialect.name)(topics).on_conflict_do_nothing(
        index_elements=["channel", "topic"]
    )
    new = [
        tx.execute(
            statement.returning(topics.c.topic),
            {"channel": channel, "topic": name, "told_at": now},
        ).scalar_one_or_none()
        for name in names
    ]
    return any(name is not None for name in new)


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


def add_message(
    tx: Connection, message_id: str, channel: str, content: MessageContent, now: datetime
) -> None:
    """Store a message to send, and count it."""
    tx.execute(
        insert_for(tx.dialect.name)(messages).values(
            id=message_id,
            channel=channel,
            content=content.model_dump(mode="json"),
            carries=content.total,
            state="queued",
            attempts=0,
            error=None,
            created_at=now,
            finished_at=None,
        )
    )
    tx.execute(
        update(channels).where(channels.c.channel == channel).values(told=channels.c.told + 1)
    )


def message_exists(tx: Connection, message_id: str) -> bool:
    query = select(messages.c.id).where(messages.c.id == message_id)
    return tx.execute(query).scalar_one_or_none() is not None


def waiting(tx: Connection, channel: str, until: datetime, limit: int) -> tuple[int, list[Told]]:
    """How many notifications wait on a channel for a time, and the earliest events among them."""
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
    return total, [told(row) for row in rows]


def carry_waiting(tx: Connection, channel: str, until: datetime, message_id: str) -> None:
    """Note the message in which what waited goes out."""
    d = deliveries.c
    tx.execute(
        update(deliveries)
        .where(d.channel == channel, d.state == "waiting", d.not_before == until)
        .values(state="sent", message_id=message_id)
    )


def told(row: Row[Any]) -> Told:
    """A notification as messages carry it."""
    return Told(
        type=row.event_type,
        id=row.event_id,
        subject=row.subject,
        time=row.occurred_at,
        title=row.title,
        lines=tuple(row.lines),
        details=row.details,
    )
