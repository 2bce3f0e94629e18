"""Queues carry job notifications: small JSON messages that may be lost, repeated or reordered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hearth.declarations import QUEUES
from hearth.errors import Forbidden, InvalidInput, Unavailable

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_BODY_BYTES = 64 * 1024
MAX_DELAY_S = 900
"""SQS delays a message by at most 15 minutes."""
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
_BATCH_COUNT = 10
_BATCH_BYTES = 256 * 1024
"""The smallest total that any SQS, real or emulated, admits for one batch."""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages are ready, and how many are being worked on; SQS counts roughly."""

    ready: int
    in_flight: int


class Queues(Protocol):
    """Somewhere to send job notifications to."""

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None:
        """Send one message per body; `delay_s` in 0..900.

        Raises:
            InvalidInput: unknown queue, a body over 64 kB, or a delay out of range.
            Unavailable: some were not accepted. Some may have been: hints may repeat.
        """


def encode_body(body: Mapping[str, Any]) -> str:
    """One message body as compact JSON.

    Raises:
        InvalidInput: not JSON, or over 64 kB.
    """
    try:
        text = json.dumps(body, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"a message must be JSON: {error}") from error
    if len(text) > MAX_BODY_BYTES:
        raise InvalidInput(
            f"a message of {len(text)} bytes is over {MAX_BODY_BYTES}; put the data in S3 "
            "and send its key"
        )
    return text


def check_delay(delay_s: int) -> int:
    """`delay_s` itself.

    Raises:
        InvalidInput: outside 0..900.
    """
    if not 0 <= delay_s <= MAX_DELAY_S:
        raise InvalidInput(f"a delay of {delay_s} s is outside 0..{MAX_DELAY_S}")
    return delay_s


class SqsQueues:
    """`Queues` on SQS.

    Args:
        client: A boto3 SQS client (`hearth.aws.client("sqs")`).
        prefix: What the name of each queue begins with.
        names: The queues that there are; by default those that the capabilities declare.
    """

    def __init__(self, client: SQSClient, prefix: str = "", names: Sequence[str] = QUEUES) -> None:
        self._client = client
        self._prefix = prefix
        self._names = names
        self._urls: dict[str, str] = {}

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        url = self._url(queue)
        check_delay(delay_s)
        for batch in _batches([encode_body(body) for body in bodies]):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(number), "MessageBody": text, "DelaySeconds": delay_s}
                for number, text in enumerate(batch)
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=url, Entries=entries)
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code in _DENIED:
                    raise Forbidden(f"sending to queue {queue!r} is not allowed") from error
                raise Unavailable(f"queue {queue!r} refused a batch ({code})") from error
            except BotoCoreError as error:
                raise Unavailable(
                    f"queue {queue!r} does not answer ({type(error).__name__})"
                ) from error
            refused = answer.get("Failed", [])
            if refused:
                raise Unavailable(
                    f"queue {queue!r} refused {len(refused)} of {len(entries)} messages "
                    f"({refused[0]['Code']})"
                )

    def depths(self) -> dict[str, QueueDepth | None]:
        """Each queue that is declared; None for one that does not answer.

        Raises:
            Forbidden: Looking at one is not allowed.
        """
        return {queue: self._depth(queue) for queue in self._names}

    def _depth(self, queue: str) -> QueueDepth | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=self._url(queue),
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _DENIED:
                raise Forbidden(f"looking at queue {queue!r} is not allowed") from error
            return None
        except (BotoCoreError, Unavailable):
            return None
        found = answer["Attributes"]
        return QueueDepth(
            int(found["ApproximateNumberOfMessages"]),
            int(found["ApproximateNumberOfMessagesNotVisible"]),
        )

    def _url(self, queue: str) -> str:
        """Where a queue is; looked up once and kept, because it never changes.

        Raises:
            InvalidInput: Nobody declares such a queue.
            Forbidden: Looking it up is not allowed.
            Unavailable: It is not there yet, or SQS does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        if queue not in self._names:
            known = ", ".join(self._names) or "none"
            raise InvalidInput(f"queue {queue!r} does not exist; there are: {known}")
        if queue not in self._urls:
            name = f"{self._prefix}{queue}"
            try:
                self._urls[queue] = self._client.get_queue_url(QueueName=name)["QueueUrl"]
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code in _DENIED:
                    raise Forbidden(f"looking up queue {name!r} is not allowed") from error
                raise Unavailable(f"queue {name!r} cannot be looked up ({code})") from error
            except BotoCoreError as error:
                raise Unavailable(
                    f"queue {name!r} does not answer ({type(error).__name__})"
                ) from error
        return self._urls[queue]


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == _BATCH_COUNT or size + len(text) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch
