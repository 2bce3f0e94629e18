"""Decides who is told of what, and when.

An event becomes one notification, and for each channel that wants it one decision:

    told of all of it lately (cooldown)  → suppressed
    quiet hours, and it is not urgent    → waits for their end
    the channel's hour is full (burst)   → waits for the next hour
    else                                 → a message of its own

What waits for the same time becomes one message, a digest. All of that is one transaction with the
event's job; each message is then a job of its own (`sending`), so one channel that is broken
disturbs no other and is retried alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from functions.notifications.channels import Channel
from functions.notifications.messages import (
    digest_content,
    digest_job,
    read_payload,
    send_job,
    single_content,
)
from functions.notifications.notices import Notice, notice_of
from functions.notifications.quiet import QuietHours
from functions.notifications.repository import planning
from functions.notifications.repository.forgetting import forget
from functions.notifications.schemas import DigestJob
from hearth.errors import InvalidInput
from hearth.ids import format_time, ulid_from, utc_now
from hearth.ledger.consumer import Done, Outcome
from hearth.ledger.events import Event, received
from hearth.ledger.ledger import Job, NewJob

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database

WINDOW: Final = timedelta(hours=1)
DIGEST_EVENTS: Final = 50
"""Most events that a digest names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When people are spared.

    Args:
        cooldown: For so long a channel is not told of the same again.
        burst: Most messages of a channel in an hour.
        quiet: Hours in which messages wait; None where there are none.
    """

    cooldown: timedelta = timedelta(minutes=15)
    burst: int = 30
    quiet: QuietHours | None = None
    kept: timedelta = timedelta(days=90)


class Notifier:
    """Turns events into messages to send.

    Args:
        db: Database.
        channels: Where people want to be told.
        rules: When they are spared.
        zone: The site's time zone.
        site_name: Named by digests; may be empty.
        now: The present, UTC.
    """

    def __init__(
        self,
        db: Database,
        channels: Sequence[Channel],
        rules: Rules,
        zone: ZoneInfo,
        site_name: str = "",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        # In one order everywhere, or two transactions could wait for each other.
        self._channels = sorted(channels, key=lambda channel: channel.name)
        self._rules = rules
        self._zone = zone
        self._site_name = site_name
        self._now = now

    def event(self, job: Job) -> Outcome:
        """Decide what becomes of a domain event.

        Raises:
            InvalidInput: Not an event that people can be told of.
        """
        event = received(job.payload)
        notice = notice_of(event, self._zone)
        wanted = [channel for channel in self._channels if channel.wants(event.type)]
        if not wanted:
            return Done()
        notification_id = id_of(event)
        return Done(lambda tx: self._plan(tx, notification_id, event, notice, wanted))

    def digest(self, job: Job) -> Outcome:
        """Put what waited into one message.

        Raises:
            InvalidInput: The job does not say what.
        """
        asked = read_payload(DigestJob, job.payload, "the digest job")
        return Done(lambda tx: self._gather(tx, asked.channel, asked.until))

    # ---- an event ----

    def _plan(
        self,
        tx: Connection,
        notification_id: str,
        event: Event,
        notice: Notice,
        wanted: Sequence[Channel],
    ) -> list[NewJob]:
        now = self._now()
        if not planning.add_notification(tx, notification_id, event, notice, now):
            return []
        forget(tx, now - self._rules.kept)
        return [
            job
            for channel in wanted
            for job in self._decide(tx, notification_id, event, notice, channel, now)
        ]

    def _decide(
        self,
        tx: Connection,
        notification_id: str,
        event: Event,
        notice: Notice,
        channel: Channel,
        now: datetime,
    ) -> list[NewJob]:
        add = partial(planning.add_delivery, tx, notification_id, channel.name, now)
        window = planning.lock_channel(tx, channel.name, now, WINDOW)
        if not planning.claim_topics(
            tx, channel.name, notice.topics, notice.covers, now, self._rules.cooldown
        ):
            add(state="suppressed", reason="cooldown")
            return []
        until, reason = self._wait(channel, event.type, window, now)
        # Another worker, by a clock of its own, may have closed the digest already.
        if until and not planning.message_exists(tx, digest_id(channel.name, until)):
            add(state="waiting", reason=reason, not_before=until)
            return [digest_job(channel.name, until)]
        message_id = ulid_from(event.time, notification_id, channel.name)
        planning.add_message(tx, message_id, channel.name, single_content(event, notice), now)
        add(state="sent", message_id=message_id)
        return [send_job(message_id)]

    def _wait(
        self, channel: Channel, event_type: str, window: planning.Window, now: datetime
    ) -> tuple[datetime | None, str]:
        """Until when an event must wait on a channel, and why; None: it need not."""
        quiet = None if channel.hurries(event_type) else self._rules.quiet
        if quiet is not None and quiet.include(now):
            return quiet.over_at(now), "quiet hours"
        if window.told < self._rules.burst:
            return None, ""
        over_at = window.began_at + WINDOW
        return (quiet.over_at(over_at) if quiet is not None else over_at), "burst"

    # ---- a digest ----

    def _gather(self, tx: Connection, channel: str, until: datetime) -> list[NewJob]:
        now = self._now()
        planning.lock_channel(tx, channel, now, WINDOW)
        total, told = planning.waiting(tx, channel, until, DIGEST_EVENTS)
        if not total:
            return []
        message_id = digest_id(channel, until)
        planning.add_message(
            tx, message_id, channel, digest_content(total, told, self._site_name), now
        )
        planning.carry_waiting(tx, channel, until, message_id)
        return [send_job(message_id)]


def id_of(event: Event) -> str:
    """The notification of an event: always the same, and sorted by the event's time.

    Raises:
        InvalidInput: The event's time is none that an id can hold.
    """
    try:
        return ulid_from(event.time, event.type, event.id)
    except ValueError as error:
        raise InvalidInput(f"the event's time {format_time(event.time)} is out of range") from error


def digest_id(channel: str, until: datetime) -> str:
    """The message in which what waits on a channel until then goes out."""
    return ulid_from(until, "digest", channel)
