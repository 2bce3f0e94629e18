"""What the API writes: test messages, and retries of failed deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from functions.notifications.messages import send_job, single_content
from functions.notifications.notices import notice_for_test
from functions.notifications.queries import NotificationQueries
from functions.notifications.repository.channel_windows import count_message, lock_channel
from functions.notifications.repository.deliveries import add_delivery
from functions.notifications.repository.messages import add_message
from functions.notifications.repository.notifications import add_notification
from functions.notifications.schemas import NotificationOut, SendTestIn
from functions.notifications.stored_channels import ChannelDirectory
from functions.notifications.worker import WINDOW, notification_id_of
from hearth.errors import Conflict, InvalidInput
from hearth.ids import new_ulid, ulid_from, utc_now
from hearth.ledger.events import Event
from hearth.ledger.ledger import Job, JobState, Ledger, UnitOfWork
from hearth.principal import Principal

if TYPE_CHECKING:
    pass

TEST_MESSAGE: Final = "notifications.test"


class NotificationService:
    """Sends test messages and retries failed deliveries."""

    def __init__(
        self,
        ledger: Ledger,
        channels: ChannelDirectory,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self.channels = channels
        self.queries = NotificationQueries(ledger, channels)
        self._now = now

    def retry(self, notification_id: str, principal: Principal) -> NotificationOut:
        """Send the failed deliveries of a notification again, with all attempts anew.

        Raises:
            NotFound: The notification does not exist or is not visible to the caller.
            Conflict: No delivery of it has failed.
        """
        found = self.queries.get(notification_id, principal)
        failed = [one.message_id for one in found.deliveries if one.state == "failed"]
        if not failed:
            raise Conflict(f"no delivery of notification {notification_id} has failed")

        def write(work: UnitOfWork) -> Sequence[Job]:
            work.add(*(send_job(one) for one in failed if one))
            return work.flush()

        for job in self._ledger.transact(write, principal.id):
            if job.state is JobState.FAILED:
                self._ledger.retry(job.id)
        return self.queries.get(notification_id, principal)

    def send_test(self, test: SendTestIn, principal: Principal) -> NotificationOut:
        """Send a test message, regardless of quiet hours, cooldown and burst.

        Raises:
            InvalidInput: The channel does not exist, or none is configured.
        """
        channels = self.channels.all()
        names = list(channels) if test.channel is None else [test.channel]
        if not channels:
            raise InvalidInput("no channel is configured: set NOTIFICATION_CHANNELS or add one")
        if test.channel is not None and test.channel not in channels:
            known = ", ".join(channels)
            raise InvalidInput(f"channel {test.channel[:80]!r} does not exist; there are {known}")
        now = self._now()
        event = Event(TEST_MESSAGE, new_ulid(), now, principal.id)
        notification_id = notification_id_of(event)

        def write(work: UnitOfWork) -> None:
            tx, notice = work.tx, notice_for_test()
            add_notification(tx, notification_id, event, notice, now)
            for name in names:
                lock_channel(tx, name, now, WINDOW)
                message_id = ulid_from(now, notification_id, name)
                add_message(tx, message_id, name, single_content(event, notice), now)
                count_message(tx, name)
                add_delivery(tx, notification_id, name, now, state="sent", message_id=message_id)
                work.add(send_job(message_id))

        self._ledger.transact(write, principal.id)
        return self.queries.get(notification_id, principal)
