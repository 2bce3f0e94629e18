"""What a channel received lately: messages in its hour, and topics within the cooldown.

Whoever decides for a channel holds its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, update

from functions.notifications.repository.tables import channels, topics
from hearth.db import insert_for
from hearth.ids import CLOCK_TOLERANCE


@dataclass(frozen=True, slots=True)
class Window:
    """How many messages a channel received since the window began."""

    began_at: datetime
    messages: int


def lock_channel(tx: Connection, channel: str, now: datetime, window: timedelta) -> Window:
    """Lock a window's row for this transaction; begin a new one when the last one has ended.

    Two workers that decide for one channel at once would each miss the other's decision. PostgreSQL
    serializes them by the row's lock, DSQL by refusing the second commit.
    """
    statement = insert_for(tx.dialect.name)(channels).values(
        channel=channel, window_began_at=now, told=0, changes=1
    )
    row = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["channel"], set_={"changes": channels.c.changes + 1}
        ).returning(channels)
    ).one()
    # A window that began ahead of now did so before the clock was set back.
    if now - window < row.window_began_at <= now + CLOCK_TOLERANCE:
        return Window(row.window_began_at, row.told)
    tx.execute(
        update(channels).where(channels.c.channel == channel).values(window_began_at=now, told=0)
    )
    return Window(now, 0)


def count_message(tx: Connection, window: str) -> None:
    """Count a message in a window, which the caller has locked."""
    tx.execute(
        update(channels).where(channels.c.channel == window).values(told=channels.c.told + 1)
    )


def claim_topics(
    tx: Connection,
    channel: str,
    about: Sequence[str],
    covers: Sequence[str],
    now: datetime,
    cooldown: timedelta,
) -> bool:
    """Record the topics that a channel receives; False when all of `about` are in the cooldown."""
    if not cooldown or not about:
        return True
    c = topics.c
    tx.execute(delete(topics).where(c.channel == channel, c.told_at <= now - cooldown))
    if not _record_topics(tx, channel, about, now):
        return False
    _record_topics(tx, channel, covers, now)
    return True


def _record_topics(tx: Connection, channel: str, names: Iterable[str], now: datetime) -> bool:
    """Record topics; True when one of them was new."""
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
