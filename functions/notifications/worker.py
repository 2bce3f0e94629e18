"""Queue work: plans which event is sent on which channel, and when.

An event becomes one notification, and for each channel that wants it one decision:

    all its topics were sent within the cooldown  → suppressed
    the event is urgent for the channel           → a message of its own
    quiet hours                                   → waits for their end
    it is to be read later, by people             → waits for the channel's next hour
    the channel's hour is full (burst)            → waits for the next hour
    else                                          → a message of its own

Safety events have an hour of their own on each channel, so that nothing that an ordinary user does
fills it; urgent messages count in none.

Notifications that wait for the same time become one message, a digest. All of that is one
transaction with the event's job; each message is then a job of its own (`delivery`), so a broken
channel delays no other one and is retried alone.
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
    send_job,
    single_content,
)
from functions.notifications.notices import Notice, notice_of
from functions.notifications.quiet_hours import QuietHours
from functions.notifications.repository.channel_windows import (
    Window,
    claim_topics,
    count_message,
    lock_channel,
)
from functions.notifications.repository.deliveries import (
    add_delivery,
    assign_message,
    list_waiting,
)
from functions.notifications.repository.messages import add_message, message_exists
from functions.notifications.repository.notifications import add_notification
from functions.notifications.repository.retention import delete_expired
from functions.notifications.schemas import DigestJob
from functions.notifications.stored_channels import ChannelDirectory
from hearth.ids import CLOCK_TOLERANCE, ulid_from, utc_now
from hearth.ledger.consumer import Done, Outcome, Postpone
from hearth.ledger.events import Event, received
from hearth.ledger.ledger import Job, NewJob, UnitOfWork
from hearth.parsing import parse_model

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hearth.db import Database

WINDOW: Final = timedelta(hours=1)
SAFETY: Final = "safety."
RINGING: Final = frozenset({"mail", "slack"})
"""Kinds of channels on which each message rings; programs and Discord know quiet ones."""
DIGEST_EVENTS: Final = 50
"""Most events that a digest lists; the others are counted."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a notification is sent at once, later or not at all.

    Args:
        cooldown: Minimum time between two messages of a channel about the same topic.
        burst: Most messages of a channel in an hour.
        quiet: Hours in which messages that are not urgent wait.
        retention: Age at which notifications are deleted.
    """

    cooldown: timedelta = timedelta(minutes=15)
    burst: int = 30
    quiet: QuietHours | None = None
    retention: timedelta = timedelta(days=90)


class NotificationPlanner:
    """Turns domain events into messages to send.

    Args:
        zone: The site's time zone, for times in texts.
        site_name: Named in the titles of digests; may be empty.
    """

    def __init__(
        self,
        db: Database,
        channels: ChannelDirectory,
        rules: Rules,
        zone: ZoneInfo,
        site_name: str = "",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._channels = channels
        self._rules = rules
        self._zone = zone
        self._site_name = site_name
        self._now = now

    def plan_event(self, job: Job) -> Outcome:
        """Plan the deliveries of a domain event.

        Raises:
            InvalidInput: The event has no notification, or its data is not valid.
        """
        event = received(job.payload)
        notice = notice_of(event, self._zone)
        # Channels are locked in one order everywhere, or two transactions could deadlock.
        wanted = [channel for channel in self._channels.all().values() if channel.wants(event.type)]
        if not wanted or not notice.is_news:
            return Done()
        notification_id = notification_id_of(event)
        return Done(lambda work: self._plan_event(work, notification_id, event, notice, wanted))

    def build_digest(self, job: Job) -> Outcome:
        """Put the notifications that waited on a channel into one message.

        Raises:
            InvalidInput: The job's payload is not valid.
        """
        digest = parse_model(DigestJob, job.payload, "the digest job")
        if digest.until > self._now() + CLOCK_TOLERANCE:
            return Postpone(digest.until)  # it came early, because the clock was set back
        return Done(lambda work: self._build_digest(work, digest.channel, digest.until))

    def _plan_event(
        self,
        work: UnitOfWork,
        notification_id: str,
        event: Event,
        notice: Notice,
        wanted: Sequence[Channel],
    ) -> None:
        now = self._now()
        if not add_notification(work.tx, notification_id, event, notice, now):
            return
        delete_expired(work.tx, now - self._rules.retention)
        for channel in wanted:
            work.add(*self._decide(work.tx, notification_id, event, notice, channel, now))

    def _decide(
        self,
        tx: Connection,
        notification_id: str,
        event: Event,
        notice: Notice,
        channel: Channel,
        now: datetime,
    ) -> list[NewJob]:
        add = partial(add_delivery, tx, notification_id, channel.name, now)
        urgent = channel.is_urgent(event.type) and not notice.is_quiet
        window, window_name = lock_channel(tx, channel.name, now, WINDOW), channel.name
        if event.type.startswith(SAFETY):
            window_name = f"{channel.name} {SAFETY}"
            window = lock_channel(tx, window_name, now, WINDOW)
        if not claim_topics(
            tx, channel.name, notice.topics, notice.covers, now, self._rules.cooldown
        ):
            add(state="suppressed", reason="cooldown")
            return []
        until, reason = None, ""
        if not urgent:
            until, reason = self._wait_until(channel, notice, window, now)
        # Another worker, whose clock is ahead, may have closed the digest already.
        if until and not message_exists(tx, digest_id(channel.name, until)):
            add(state="waiting", reason=reason, not_before=until)
            return [digest_job(channel.name, until)]
        message_id = ulid_from(event.time, notification_id, channel.name)
        add_message(tx, message_id, channel.name, single_content(event, notice), now)
        if not urgent:
            count_message(tx, window_name)
        add(state="sent", message_id=message_id)
        return [send_job(message_id)]

    def _wait_until(
        self, channel: Channel, notice: Notice, window: Window, now: datetime
    ) -> tuple[datetime | None, str]:
        """Until when an event waits on a channel, and why; None when it is sent at once."""
        quiet = self._rules.quiet
        if quiet is not None and quiet.contains(now):
            return quiet.end_after(now), "quiet hours"
        is_later = notice.is_quiet and channel.kind in RINGING
        if not is_later and window.messages < self._rules.burst:
            return None, ""
        window_end = window.began_at + WINDOW
        until = quiet.end_after(window_end) if quiet is not None else window_end
        return until, "no hurry" if is_later else "burst"

    def _build_digest(self, work: UnitOfWork, channel: str, until: datetime) -> None:
        tx, now = work.tx, self._now()
        lock_channel(tx, channel, now, WINDOW)
        total, events = list_waiting(tx, channel, until, DIGEST_EVENTS)
        if not total:
            return
        message_id = digest_id(channel, until)
        add_message(tx, message_id, channel, digest_content(total, events, self._site_name), now)
        count_message(tx, channel)
        assign_message(tx, channel, until, message_id)
        work.add(send_job(message_id))


def notification_id_of(event: Event) -> str:
    """Return the id of an event's notification: deterministic, and sorted by the event's time."""
    return ulid_from(event.time, event.type, event.id)


def digest_id(channel: str, until: datetime) -> str:
    """Return the id of the digest of a channel that is due at `until`."""
    return ulid_from(until, "digest", channel)
