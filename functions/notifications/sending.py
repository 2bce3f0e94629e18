"""Decides what a send job does: note the attempt, make it, note how it ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from functions.notifications.channels import Channel, Kind
from functions.notifications.messages import read_payload
from functions.notifications.repository.sending import (
    MessageRow,
    begin_attempt,
    channels_of,
    end_attempt,
)
from functions.notifications.schemas import SendJob
from functions.notifications.senders import ChannelRefused, Message, Sender, SlowDown
from hearth.db import Database
from hearth.errors import HearthError, InvalidInput, NotFound
from hearth.ids import utc_now
from hearth.ledger.consumer import Crashed, Deadline, Done, Failed, Outcome, Postpone, guarded
from hearth.ledger.ledger import Job
from hearth.logging import logger

LONGEST_S: Final = 25.0
"""An attempt is not begun with less time left; an e-mail takes several steps of five seconds."""
CHANNELS_AT_ONCE: Final = 4
PAUSE: Final = timedelta(seconds=30)
"""Messages behind one that a channel did not take wait so long, untried."""
MAX_ATTEMPTS: Final = 100
"""Of one message, those after which it was asked to slow down among them."""


class Postman:
    """Sends messages, those of different channels at once and those of one in order.

    Args:
        db: Database.
        channels: Those that are configured.
        senders: Who speaks what.
        now: The present, UTC.
    """

    def __init__(
        self,
        db: Database,
        channels: Sequence[Channel],
        senders: Mapping[Kind, Sender],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._db = db
        self._channels = {channel.name: channel for channel in channels}
        self._senders = senders
        self._now = now

    def send(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """A `Work`: the messages of one batch.

        Threads, so that a channel that does not answer delays no other one.
        """
        asked: dict[str, Job] = {}
        for job in jobs:
            try:
                asked[read_payload(SendJob, job.payload, "the send job").message_id] = job
            except HearthError as error:
                yield job, Failed(error)
        if not asked:
            return
        names = self._db.read(lambda tx: channels_of(tx, list(asked)))
        groups: defaultdict[str, list[tuple[str, Job]]] = defaultdict(list)
        for message_id, job in asked.items():
            if message_id in names:
                groups[names[message_id]].append((message_id, job))
            else:
                yield job, Failed(NotFound(f"message {message_id} does not exist"))
        with ThreadPoolExecutor(CHANNELS_AT_ONCE, thread_name_prefix="channel") as pool:
            running = [
                pool.submit(self._of_channel, members, deadline) for members in groups.values()
            ]
            for future in as_completed(running):
                yield from future.result()

    def _of_channel(
        self, members: Sequence[tuple[str, Job]], deadline: Deadline
    ) -> list[tuple[Job, Outcome]]:
        """Send what goes over one channel, until it does not take one."""
        outcomes: list[tuple[Job, Outcome]] = []
        pause = timedelta(0)
        for message_id, job in members:
            if pause or not deadline.allows(LONGEST_S):
                outcomes.append((job, Postpone(self._now() + pause)))
                continue
            outcome = guarded(partial(self._send, message_id=message_id), job)
            outcomes.append((job, outcome))
            if isinstance(outcome, Postpone):
                pause = outcome.until - self._now()
            elif isinstance(outcome, Failed) and outcome.error.retryable:
                pause = PAUSE
        return outcomes

    def _send(self, job: Job, *, message_id: str) -> Outcome:
        message = self._db.write(lambda tx: begin_attempt(tx, message_id, self._now()))
        if message is None:
            raise NotFound(f"message {message_id} does not exist")
        if message.state == "sent":
            return Done()
        try:
            said = self._handed_over(message)
        except SlowDown as error:
            if message.attempts >= MAX_ATTEMPTS:
                return self._failed(job, message, ChannelRefused(error.message))
            self._end(message, "queued", "deferred", error.message)
            return Postpone(self._now() + error.wait)
        except HearthError as error:
            return self._failed(job, message, error)
        except Exception as error:
            logger.exception("a channel crashed", channel=message.channel)
            reason = f"the channel crashed with {type(error).__name__}; see the log"
            return self._failed(job, message, Crashed(reason))
        # Not left to the job's own commit: that comes after the whole batch, and the window in
        # which a message could be sent again should be as short as it can be.
        self._end(message, "sent", "sent", said)
        return Done()

    def _handed_over(self, message: MessageRow) -> str:
        channel = self._channels.get(message.channel)
        if channel is None:
            raise InvalidInput(
                f"channel {message.channel} is not among NOTIFICATION_CHANNELS (any more); "
                "add it, then retry"
            )
        sender = self._senders[channel.kind]
        return sender.send(channel, Message(message.id, message.content, message.created_at))

    def _failed(self, job: Job, message: MessageRow, error: HearthError) -> Outcome:
        again = error.retryable and job.attempts < job.max_attempts
        outcome = "deferred" if error.retryable else "refused"
        self._end(message, "queued" if again else "failed", outcome, error.message)
        return Failed(error)

    def _end(self, message: MessageRow, state: str, outcome: str, detail: str) -> None:
        logger.info("notification", channel=message.channel, message_id=message.id, state=state)
        self._db.write(
            lambda tx: end_attempt(
                tx, message, self._now(), state=state, outcome=outcome, detail=detail
            )
        )
