"""The jobs of notifications and the content of messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from functions.notifications.notices import MAX_TITLE, Notice
from functions.notifications.schemas import EventSummary, MessageContent
from hearth.ids import format_time
from hearth.ledger.events import Event
from hearth.ledger.ledger import NewJob
from hearth.text import clean

QUEUE: Final = "notifications"
SEND: Final = "notifications.send"
DIGEST: Final = "notifications.digest"
SEND_ATTEMPTS: Final = 30
"""Over an hour with the ledger's back-off, longer than most outages of a provider."""


def send_job(message_id: str) -> NewJob:
    """Return the job that sends one message over its channel."""
    return NewJob(
        SEND,
        QUEUE,
        send_key(message_id),
        {"message_id": message_id},
        max_attempts=SEND_ATTEMPTS,
    )


def send_key(message_id: str) -> str:
    return f"notify:send:{message_id}"


def digest_job(channel: str, until: datetime) -> NewJob:
    """Return the job that builds a channel's digest when it is due."""
    return NewJob(
        DIGEST,
        QUEUE,
        f"notify:digest:{channel}:{format_time(until)}",
        {"channel": channel, "until": format_time(until)},
        available_at=until,
    )


def single_content(event: Event, notice: Notice) -> MessageContent:
    """Return the content of a message about one event."""
    summary = EventSummary(
        type=event.type,
        id=event.id,
        subject=event.subject,
        time=event.time,
        title=notice.title,
        lines=notice.lines,
        details=dict(notice.details),
    )
    return MessageContent(
        title=notice.title,
        total=1,
        quiet=notice.is_quiet,
        image_key=notice.image_key,
        events=(summary,),
    )


def digest_content(total: int, events: Sequence[EventSummary], site_name: str) -> MessageContent:
    """Return the content of a message about `total` events, of which `events` are the first.

    A digest of one event is a message about that event.
    """
    if total == 1:
        return MessageContent(title=events[0].title, total=1, events=tuple(events))
    at = f" at {clean(site_name)}" if site_name else ""
    title = f"{total:,} notifications{at}"[:MAX_TITLE]
    return MessageContent(title=title, total=total, events=tuple(events))
