"""What the API reads: notifications with their deliveries, and the configured channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from functions.notifications.messages import send_key
from functions.notifications.repository.deliveries import deliveries_of
from functions.notifications.repository.messages import attempts_of
from functions.notifications.repository.notifications import find_notification, list_notifications
from functions.notifications.schemas import (
    AttemptOut,
    ChannelOut,
    ChannelsOut,
    DeliveryOut,
    DeliveryState,
    NotificationOut,
    NotificationPage,
    NotificationQuery,
)
from functions.notifications.stored_channels import ChannelDirectory
from hearth.errors import NotFound
from hearth.ledger.ledger import JobState, Ledger
from hearth.paging import decode_cursor, page
from hearth.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    RowsById = Mapping[str, Sequence[Row[Any]]]


class NotificationQueries:
    """Reads notifications.

    Who may not manage all tasks does not see notifications about other people's tasks.
    """

    def __init__(self, ledger: Ledger, channels: ChannelDirectory) -> None:
        self._ledger = ledger
        self._channels = channels

    def list(self, query: NotificationQuery, principal: Principal) -> NotificationPage:
        """List notifications, newest event first.

        Raises:
            InvalidInput: The cursor is not valid.
        """
        before = decode_cursor(query.cursor, 1)[0] if query.cursor is not None else None
        rows = self._ledger.db.read(
            lambda tx: list_notifications(
                tx,
                limit=query.limit + 1,
                event_type=query.type,
                user_id=_visible_to(principal),
                before_id=before,
            )
        )
        shown, next_cursor = page(rows, query.limit, lambda row: (row.id,))
        return NotificationPage(
            notifications=[*self._to_responses(shown)],
            next_cursor=next_cursor,
        )

    def get(self, notification_id: str, principal: Principal) -> NotificationOut:
        """Return one notification.

        Raises:
            NotFound: The notification does not exist or is not visible to the caller.
        """
        row = self._ledger.db.read(
            lambda tx: find_notification(tx, notification_id, _visible_to(principal))
        )
        if row is None:
            raise NotFound(f"notification {notification_id[:80]!r} does not exist")
        return self._to_responses([row])[0]

    def channels(self) -> ChannelsOut:
        """List the configured and the stored channels by name, without their secrets."""
        configured = [
            ChannelOut.model_validate(channel, from_attributes=True)
            for channel in self._channels.configured.values()
        ]
        stored = [ChannelOut.model_validate(row) for row in self._channels.stored.every()]
        return ChannelsOut(channels=sorted(configured + stored, key=lambda one: one.name))

    def _to_responses(self, rows: Sequence[Row[Any]]) -> Sequence[NotificationOut]:
        def read(tx: Connection) -> tuple[RowsById, RowsById]:
            deliveries = deliveries_of(tx, [row.id for row in rows])
            ids = {delivery.message_id for group in deliveries.values() for delivery in group}
            return deliveries, attempts_of(tx, ids - {None})

        deliveries, attempts = self._ledger.db.read(read)
        unsent = [
            send_key(delivery.message_id)
            for group in deliveries.values()
            for delivery in group
            if delivery.message_id is not None and delivery.message_state != "sent"
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
                    _to_delivery(delivery, states, attempts.get(delivery.message_id, ()))
                    for delivery in deliveries.get(row.id, ())
                ],
            )
            for row in rows
        ]


def _visible_to(principal: Principal) -> str | None:
    """The user whose notifications about tasks are visible; None when all are."""
    return None if principal.may("tasks:manage") else principal.id


def _to_delivery(
    row: Row[Any], jobs: Mapping[str, JobState], attempts: Sequence[Row[Any]]
) -> DeliveryOut:
    return DeliveryOut(
        channel=row.channel,
        state=_delivery_state(row, jobs),
        reason=row.reason,
        not_before=row.not_before,
        message_id=row.message_id,
        in_digest=bool(row.carries and row.carries > 1),
        error=row.error,
        sent_at=row.finished_at if row.message_state == "sent" else None,
        attempts=[
            AttemptOut(
                number=attempt.number,
                began_at=attempt.began_at,
                ended_at=attempt.ended_at,
                outcome=attempt.outcome,
                detail=attempt.detail,
            )
            for attempt in attempts
        ],
    )


def _delivery_state(row: Row[Any], jobs: Mapping[str, JobState]) -> DeliveryState:
    if row.message_id is None:
        return "waiting" if row.state == "waiting" else "suppressed"
    if row.message_state == "sent":
        return "sent"
    # The ledger decides: it also knows of a worker that died in its last attempt.
    return "failed" if jobs.get(send_key(row.message_id)) is JobState.FAILED else "queued"
