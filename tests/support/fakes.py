"""Hand-written fakes of the core layer's ports, kept honest by the contract suites."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from hearth.errors import InvalidInput, NotFound, TooLarge, Unavailable
from hearth.ledger.queues import check_delay, encode_body
from hearth.storage import StoredObject


@dataclass
class Clock:
    """A clock that a test moves: pass it as `now`."""

    time: datetime = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time


@dataclass
class MemoryStore:
    """`ObjectStore` in a dict. `offline = True` makes every call raise Unavailable."""

    objects: dict[str, bytes] = field(default_factory=dict)
    content_types: dict[str, str] = field(default_factory=dict)
    times: dict[str, datetime] = field(default_factory=dict)
    offline: bool = False
    writes: list[str] = field(default_factory=list)
    bucket: str = "memory"

    def get(self, key: str, max_bytes: int) -> bytes:
        self._reach()
        try:
            data = self.objects[key]
        except KeyError:
            raise NotFound(f"s3://{self.bucket}/{key} does not exist") from None
        if len(data) > max_bytes:
            raise TooLarge(f"{key} has {len(data)} bytes; at most {max_bytes} are read")
        return data

    def open(self, key: str, max_bytes: int) -> BinaryIO:
        return io.BytesIO(self.get(key, max_bytes))

    def put(self, key: str, data: bytes, content_type: str) -> str:
        self._reach()
        if not key or len(key.encode()) > 1024:
            raise InvalidInput(f"{key!r:.200} is not a valid S3 key")
        self.objects[key] = bytes(data)
        self.content_types[key] = content_type
        self.times[key] = datetime.now(UTC)
        self.writes.append(key)
        return hashlib.sha256(data).hexdigest()

    def list(
        self, prefix: str, start_after: str | None = None, end_before: str | None = None
    ) -> Iterator[StoredObject]:
        self._reach()
        after = (start_after or "").encode()
        end = end_before.encode() if end_before is not None else None
        for key in sorted(self.objects, key=str.encode):
            name = key.encode()
            if key.startswith(prefix) and name > after and (end is None or name < end):
                yield StoredObject(key, len(self.objects[key]), self.times[key])

    def delete(self, key: str) -> None:
        self._reach()
        self.objects.pop(key, None)

    def _reach(self) -> None:
        if self.offline:
            raise Unavailable("S3 does not answer (the fake is offline)")


@dataclass(frozen=True)
class SentMessage:
    """One message that a fake queue took."""

    queue: str
    body: dict[str, Any]
    delay_s: int


@dataclass
class MemoryQueues:
    """`Queues` in a list. `names` bounds the queues that exist; None admits any.

    `offline = True` makes `send` raise Unavailable, as when every hint is lost.
    """

    sent: list[SentMessage] = field(default_factory=list)
    names: frozenset[str] | None = None
    offline: bool = False

    def send(self, queue: str, bodies: Sequence[Mapping[str, Any]], delay_s: int = 0) -> None:
        if self.names is not None and queue not in self.names:
            raise InvalidInput(f"queue {queue!r} does not exist; there are: {sorted(self.names)}")
        check_delay(delay_s)
        texts = [encode_body(body) for body in bodies]
        if self.offline:
            raise Unavailable(f"queue {queue!r} does not answer (the fake is offline)")
        self.sent += [SentMessage(queue, json.loads(text), delay_s) for text in texts]

    def take(self, queue: str | None = None) -> list[SentMessage]:
        """The messages of one queue (or all), oldest first; they are gone then."""
        taken = [message for message in self.sent if queue in (None, message.queue)]
        self.sent = [message for message in self.sent if queue not in (None, message.queue)]
        return taken


@dataclass
class LambdaContext:
    """What awslambdaric hands to a handler; `remaining_s` until the kill."""

    remaining_s: float = 30.0
    aws_request_id: str = "8f7a1c1e-0000-4000-8000-000000000001"
    function_name: str = "test"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining_s * 1000)


def sqs_event(*bodies: str | Mapping[str, Any], queue: str = "test") -> dict[str, Any]:
    """An SQS event as Lambda gets it; a mapping becomes JSON."""
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{number:012d}",
                "receiptHandle": f"receipt-{number}",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1793000000000"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies, 1)
        ]
    }
