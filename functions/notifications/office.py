"""What a person asks about notifications, and asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from functions.notifications.channels import Channel
from functions.notifications.messages import send_job, send_key, single_content
from functions.notifications.notices import trial_notice
from functions.notifications.repository import planning, reading
from functions.notifications.schemas import (
    AttemptOut,
    ChannelOut,
    ChannelsOut,
    DeliveryOut,
    DeliveryState,
    NotificationOut,
    NotificationQuery,
    NotificationsOut,
    TrialIn,
)
from functions.notifications.service import WINDOW, id_of
from hearth.errors import Conflict, InvalidInput, NotFound
from hearth.http.auth import Principal
from hearth.ids import new_ulid, ulid_from, utc_now
from hearth.ledger.events import Event
from hearth.ledger.ledger import Job, JobState, Ledger
from hearth.paging import decode_cursor, encode_cursor

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    RowsById = Mapping[str, Sequence[Row[Any]]]

TRIAL: Final = "notifications.test"


class Office:
    """Reads what was told, and has it told again.

    Whoever may not manage everybody's tasks sees of notifications about tasks only their own.

    Args:
        ledger: The jobs that send.
        channels: Those that are configured.
        now: The present, UTC.
    """

    def __init__(
        self,
        ledger: Ledger,
        channels: Sequence[Channel],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._channels = {channel.name: channel for channel in channels}
        self._now = now

    def list(self, query: NotificationQuery, principal: Principal) -> NotificationsOut:
        """Notifications, newest event first.

        Raises:
            InvalidInput: A cursor that no page gave out.
        """
        before = decode_cursor(query.cursor, 1)[0] if query.cursor is not None else None
        rows = self._ledger.db.read(
            lambda tx: reading.list_notifications(
                tx,
                limit=query.limit + 1,
                event_type=query.type,
                person=_only(principal),
                before_id=before,
            )
        )
        page = rows[: query.limit]
        return NotificationsOut(
            notifications=[*self._shown(page)],
            next_cursor=encode_cursor(page[-1].id) if len(rows) > query.limit else None,
        )

    def get(self, notification_id: str, principal: Principal) -> NotificationOut:
        """One notification.

        Raises:
            NotFound: No such notification, or none of theirs.
        """
        row = self._ledger.db.read(
            lambda tx: reading.get_notification(tx, notification_id, _only(principal))
        )
        if row is None:
            raise NotFound(f"notification {notification_id[:80]!r} does not exist")
        return self._shown([row])[0]

    def channels(self) -> ChannelsOut:
        """The channels, by name, without what is secret."""
        return ChannelsOut(
            channels=[
                ChannelOut(
                    name=channel.name,
                    kind=channel.kind,
                    host=channel.host,
                    events=list(channel.events),
                    urgent=list(channel.urgent),
                )
                for _, channel in sorted(self._channels.items())
            ]
        )

    def retry(self, notification_id: str, principal: Principal) -> NotificationOut:
        """Send again what failed of a notification, with all attempts anew.

        Raises:
            NotFound: No such notification.
            Conflict: Nothing of it has failed.
        """
        found = self.get(notification_id, principal)
        failed = [one.message_id for one in found.deliveries if one.state == "failed"]
        if not failed:
            raise Conflict(f"nothing of notification {notification_id} has failed")
        jobs = self._ledger.db.write(
            lambda tx: self._ledger.add(tx, [send_job(one) for one in failed if one])
        )
        for job in jobs:
            if job.state is JobState.FAILED:
                self._ledger.retry(job.id)
        return self.get(notification_id, principal)

    def trial(self, trial: TrialIn, principal: Principal) -> NotificationOut:
        """Send a test message, whatever the hour and however much was told.

        Raises:
            InvalidInput: No such channel, or none at all.
        """
        names = sorted(self._channels) if trial.channel is None else [trial.channel]
        if not self._channels:
            raise InvalidInput("there is no channel: set NOTIFICATION_CHANNELS")
        if trial.channel is not None and trial.channel not in self._channels:
            known = ", ".join(sorted(self._channels))
            raise InvalidInput(f"{trial.channel[:80]!r} is not a channel; there are {known}")
        now = self._now()
        event = Event(TRIAL, new_ulid(), now, principal.id)
        notification_id = id_of(event)

        def write(tx: Connection) -> Sequence[Job]:
            notice = trial_notice()
            planning.add_notification(tx, notification_id, event, notice, now)
            jobs = []
            for name in names:
                planning.lock_channel(tx, name, now, WINDOW)
                message_id = ulid_from(now, notification_id, name)
                planning.add_message(tx, message_id, name, single_content(event, notice), now)
                planning.add_delivery(
                    tx, notification_id, name, now, state="sent", message_id=message_id
                )
                jobs.append(send_job(message_id))
            return self._ledger.add(tx, jobs)

        self._ledger.announce(self._ledger.db.write(write))
        return self.get(notification_id, principal)

    # ---- how it is shown ----

    def _shown(self, rows: Sequence[Row[Any]]) -> Sequence[NotificationOut]:
        def look(tx: Connection) -> tuple[RowsById, RowsById]:
            deliveries = reading.deliveries_of(tx, [row.id for row in rows])
            ids = {one.message_id for some in deliveries.values() for one in some}
            return deliveries, reading.attempts_of(tx, ids - {None})

        deliveries, attempts = self._ledger.db.read(look)
        unsent = [
            send_key(one.message_id)
            for some in deliveries.values()
            for one in some
            if one.message_id is not None and one.message_state != "sent"
        ]
        states = self._ledger.states(unsent)
        return [
            NotificationOut(
                id=row.id,
                type=row.event_type,
                subject=row.subject,
                title=row.title,
                lines=row.lines,
                details=row.details,
                occurred_at=row.occurred_at,
                created_at=row.created_at,
                deliveries=[
                    _delivery(one, states, attempts.get(one.message_id, ()))
                    for one in deliveries.get(row.id, ())
                ],
            )
            for row in rows
        ]


def _only(principal: Principal) -> str | None:
    """The user whose notifications about tasks are shown; None: everybody's are."""
    return None if principal.may("tasks:manage") else principal.id


def _delivery(
    row: Row[Any], jobs: Mapping[str, JobState], attempts: Sequence[Row[Any]]
) -> DeliveryOut:
    return DeliveryOut(
        channel=row.channel,
        state=_state(row, jobs),
        reason=row.reason,
        not_before=row.not_before,
        message_id=row.message_id,
        in_digest=bool(row.carries and row.carries > 1),
        error=row.error,
        sent_at=row.finished_at if row.message_state == "sent" else None,
        attempts=[
            AttemptOut(
                number=one.number,
                began_at=one.began_at,
                ended_at=one.ended_at,
                outcome=one.outcome,
                detail=one.detail,
            )
            for one in attempts
        ],
    )


def _state(row: Row[Any], jobs: Mapping[str, JobState]) -> DeliveryState:
    if row.message_id is None:
        return "waiting" if row.state == "waiting" else "suppressed"
    if row.message_state == "sent":
        return "sent"
    # The ledger's word: it also knows of a worker that died in its last attempt.
    return "failed" if jobs.get(send_key(row.message_id)) is JobState.FAILED else "queued"
