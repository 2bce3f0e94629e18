"""Queue work: delivers messages; each attempt is recorded before and after it is made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from functions.notifications.channels import Channel, Kind
from functions.notifications.repository.messages import (
    MessageRow,
    begin_attempt,
    channels_of,
    end_attempt,
)
from functions.notifications.schemas import SendJob
from functions.notifications.senders import ChannelRefused, Message, Sender, SlowDown
from functions.notifications.stored_channels import ChannelDirectory
from hearth.db import Database
from hearth.errors import HearthError, InvalidInput, NotFound
from hearth.ids import utc_now
from hearth.ledger.consumer import Crashed, Deadline, Done, Failed, Outcome, Postpone, guarded
from hearth.ledger.ledger import Job
from hearth.logging import logger
from hearth.parsing import parse_model

MAX_ATTEMPT_S: Final = 25.0
"""No attempt begins with less time left; an e-mail takes several steps of five seconds."""
MAX_PARALLEL_CHANNELS: Final = 4
CHANNEL_PAUSE: Final = timedelta(seconds=30)
"""How long the other messages of a channel wait, untried, after it has failed."""
WITH_IMAGE: Final = frozenset({"mail", "discord"})
"""Kinds of channels that carry an image; for programs the message names its address."""
MAX_ATTEMPTS: Final = 100
"""Most attempts of one message, including those after which the channel asked to slow down."""


class MessageDelivery:
    """Sends messages: different channels in parallel, those of one channel in order.

    Args:
        load_image: Reads an image by its S3 key.
    """

    def __init__(
        self,
        db: Database,
        channels: ChannelDirectory,
        sender_of: Callable[[Kind], Sender | None],
        now: Callable[[], datetime] = utc_now,
        load_image: Callable[[str], bytes] | None = None,
    ) -> None:
        self._db = db
        self._channels = channels
        self._sender_of = sender_of
        self._now = now
        self._load_image = load_image

    def send(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """Send the messages of one batch; a thread a channel, so that none delays another one."""
        jobs_by_message: dict[str, Job] = {}
        for job in jobs:
            try:
                payload = parse_model(SendJob, job.payload, "the send job")
                jobs_by_message[payload.message_id] = job
            except HearthError as error:
                yield job, Failed(error)
        if not jobs_by_message:
            return
        names = self._db.read(lambda tx: channels_of(tx, list(jobs_by_message)))
        groups: defaultdict[str, list[tuple[str, Job]]] = defaultdict(list)
        for message_id, job in jobs_by_message.items():
            if message_id in names:
                groups[names[message_id]].append((message_id, job))
            else:
                yield job, Failed(NotFound(f"message {message_id} does not exist"))
        with ThreadPoolExecutor(MAX_PARALLEL_CHANNELS, thread_name_prefix="channel") as pool:
            running = [
                pool.submit(self._send_in_order, group, deadline) for group in groups.values()
            ]
            for future in as_completed(running):
                yield from future.result()

    def _send_in_order(
        self, messages: Sequence[tuple[str, Job]], deadline: Deadline
    ) -> list[tuple[Job, Outcome]]:
        """Send the messages of one channel until one fails."""
        outcomes: list[tuple[Job, Outcome]] = []
        pause = timedelta(0)
        for message_id, job in messages:
            if pause or not deadline.allows(MAX_ATTEMPT_S):
                outcomes.append((job, Postpone(self._now() + pause)))
                continue
            outcome = guarded(partial(self._send, message_id=message_id), job)
            outcomes.append((job, outcome))
            if isinstance(outcome, Postpone):
                pause = outcome.until - self._now()
            elif isinstance(outcome, Failed) and outcome.error.retryable:
                pause = CHANNEL_PAUSE
        return outcomes

    def _send(self, job: Job, *, message_id: str) -> Outcome:
        message = self._db.write(lambda tx: begin_attempt(tx, message_id, self._now()))
        if message is None:
            raise NotFound(f"message {message_id} does not exist")
        if message.state == "sent":
            return Done()
        try:
            answer = self._hand_over(message)
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
        # Recorded at once, not with the job, whose commit comes after the whole batch: this keeps
        # the window short in which a crash would send the message again.
        self._end(message, "sent", "sent", answer)
        return Done()

    def _hand_over(self, message: MessageRow) -> str:
        channel = self._channels.all().get(message.channel)
        if channel is None:
            raise InvalidInput(
                f"channel {message.channel} is not among NOTIFICATION_CHANNELS (any more) and no "
                "enabled row; add it, then retry"
            )
        sender = self._sender_of(channel.kind)
        if sender is None:
            raise ChannelRefused("e-mail needs SMTP_URL and EMAIL_FROM; set them, then retry")
        image = self._image(channel, message)
        return sender.send(channel, Message(message.id, message.content, message.created_at, image))

    def _image(self, channel: Channel, message: MessageRow) -> bytes | None:
        """The message's image, for a channel that shows it; one that is lost holds nothing back."""
        key = message.content.image_key
        if key is None or self._load_image is None or channel.kind not in WITH_IMAGE:
            return None
        try:
            return self._load_image(key) if channel.image else None
        except HearthError as error:
            logger.warning("a message has no image", message_id=message.id, reason=error.message)
            return None

    def _failed(self, job: Job, message: MessageRow, error: HearthError) -> Outcome:
        will_retry = error.retryable and job.attempts < job.max_attempts
        outcome = "deferred" if error.retryable else "refused"
        self._end(message, "queued" if will_retry else "failed", outcome, error.message)
        return Failed(error)

    def _end(self, message: MessageRow, state: str, outcome: str, detail: str) -> None:
        logger.info("notification", channel=message.channel, message_id=message.id, state=state)
        self._db.write(
            lambda tx: end_attempt(
                tx, message, self._now(), state=state, outcome=outcome, detail=detail
            )
        )
