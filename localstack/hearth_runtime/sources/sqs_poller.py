"""SQS event source mappings: takes messages from a queue, invokes the function, deletes.

Semantics are Lambda's: what succeeded is deleted, what failed or was never answered comes back
when its visibility time-out ends, and the queue's redrive policy decides when to give up.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter

from hearth_runtime.engine.functions import InvokeResult, RuntimeRefusal
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.template.model import QueueMapping
from hearth_runtime.template.reader import Identity

from .sqs_events import MalformedAnswer, chunks_that_fit, failed_ids, sqs_event

LONG_POLL_S = 20  # SQS takes no more
RECEIVE_LIMIT = 10  # messages that SQS hands out, and deletes, at a time
# Lambda begins with five concurrent pollers when a mapping sets no maximum.
DEFAULT_CONCURRENCY = 5
ERROR_BACK_OFF_S = (0.1, 30.0)
# Only for a server that does not hold a long poll open; one that does needs no pause.
EMPTY_BACK_OFF_S = (0.05, 1.0)


class Sqs(Protocol):
    """What a poller needs of SQS; cancelling a call closes its connection."""

    async def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]: ...


class Invoker(Protocol):
    """What a poller needs of the engine."""

    async def invoke(self, function: str, payload: bytes) -> InvokeResult: ...


@dataclass
class Counters:
    """Messages and batches since the start; `kept` messages are left to their time-out."""

    received: int = 0
    deleted: int = 0
    kept: int = 0
    batches: int = 0
    errors: int = 0
    last_error: str | None = None


class MappingMetrics:
    """The pollers' part of /metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Counter(
            "hearth_runtime_queue_messages",
            "Messages by what became of them.",
            ("queue", "outcome"),
            registry=registry,
        )
        self.errors = Counter(
            "hearth_runtime_queue_errors",
            "Batches and polls that failed.",
            ("queue",),
            registry=registry,
        )


class _BackOff:
    """Doubling pauses between two bounds, in seconds."""

    def __init__(self, bounds: tuple[float, float]) -> None:
        self._first, self._most = bounds
        self._next = self._first

    def reset(self) -> None:
        self._next = self._first

    def pause_s(self) -> float:
        pause, self._next = self._next, min(self._next * 2, self._most)
        return pause


class QueuePoller:
    """Runs one mapping with as many loops as it may have invocations at once.

    A loop holds at most one batch, so never more messages leave the queue than may run; while one
    batch runs another loop fetches the next.
    """

    def __init__(
        self,
        mapping: QueueMapping,
        queue: Callable[[], Identity],
        *,
        sqs: Sqs,
        engine: Invoker,
        logs: LogStream,
        metrics: MappingMetrics,
        region: str,
    ) -> None:
        """`queue` gives the queue's URL and ARN each time: they may change with the emulator."""
        self.mapping = mapping
        self.counters = Counters()
        self._queue = queue
        self._sqs = sqs
        self._engine = engine
        self._logs = logs
        self._metrics = metrics
        self._region = region
        self._stopping = asyncio.Event()
        self._resumed = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        if not self.mapping.enabled:
            return
        count = self.mapping.maximum_concurrency or DEFAULT_CONCURRENCY
        self._loops = [asyncio.create_task(self._run()) for _ in range(count)]

    async def stop(self, grace_s: float = 10.0) -> None:
        """Stop receiving at once, and let batches that run finish within `grace_s` seconds."""
        self._stopping.set()
        if self._loops:
            _, late = await asyncio.wait(self._loops, timeout=grace_s)
            for loop in late:
                loop.cancel()
            await asyncio.gather(*self._loops, return_exceptions=True)

    def resume(self) -> None:
        """End a back-off: what caused it has been repaired."""
        self._resumed.set()
        self._resumed.clear()

    def status(self) -> dict[str, Any]:
        return {
            "function": self.mapping.function,
            "queue": self.mapping.queue_id,
            "enabled": self.mapping.enabled,
            **asdict(self.counters),
        }

    async def _run(self) -> None:
        errors, empties = _BackOff(ERROR_BACK_OFF_S), _BackOff(EMPTY_BACK_OFF_S)
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                messages = await self._receive()
                if not messages:
                    if time.monotonic() - began < EMPTY_BACK_OFF_S[1]:
                        await self._pause(empties.pause_s())
                    continue
                empties.reset()
                failed = False
                for chunk in chunks_that_fit(messages):
                    failed |= not await self._process(chunk)
            except Exception as error:  # a mapping outlives whatever its endpoint does
                self._failed(f"{type(error).__name__}: {error}")
                failed = True
            if failed:
                await self._pause(errors.pause_s())
            else:
                errors.reset()

    async def _receive(self) -> list[Mapping[str, Any]]:
        """One batch: what is there at once, or with a window what comes until it closes."""
        size, window_s = self.mapping.batch_size, self.mapping.window_s
        messages = await self._receive_once(min(size, RECEIVE_LIMIT), LONG_POLL_S)
        closes = time.monotonic() + window_s
        while messages and len(messages) < size and not self._stopping.is_set():
            left_s = closes - time.monotonic()
            if left_s <= 0:
                break
            # SQS waits whole seconds; the last part of a window is polled without waiting.
            more = await self._receive_once(min(size - len(messages), RECEIVE_LIMIT), int(left_s))
            if not more and left_s < 1:
                await self._pause(min(left_s, 0.05))
            messages += more
        return messages

    async def _receive_once(self, count: int, wait_s: int) -> list[Mapping[str, Any]]:
        request = {
            "QueueUrl": self._queue().ref,
            "MaxNumberOfMessages": count,
            "WaitTimeSeconds": min(wait_s, LONG_POLL_S),
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        call = asyncio.ensure_future(self._sqs.call("ReceiveMessage", request))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((call, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                return []
            messages: list[Mapping[str, Any]] = call.result().get("Messages") or []
        finally:
            for task in (call, stopping):
                task.cancel()
            await asyncio.gather(call, stopping, return_exceptions=True)
        self.counters.received += len(messages)
        return messages

    async def _process(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Invoke with one batch and delete what succeeded; False when the batch has failed."""
        self.counters.batches += 1
        event = sqs_event(messages, self._queue().attributes["Arn"], self._region)
        failed = {str(message["MessageId"]) for message in messages}
        error: str | None = None
        try:
            result = await self._engine.invoke(self.mapping.function, json.dumps(event).encode())
            if result.function_error is not None:
                error = result.payload[:300].decode(errors="replace")
            elif self.mapping.partial_responses:
                failed = failed_ids(result.payload, failed)
            else:
                failed = set()
        except (RuntimeRefusal, MalformedAnswer) as refusal:
            error = f"{type(refusal).__name__}: {refusal}"
        if error is not None:
            self._failed(error)
        done = [message for message in messages if str(message["MessageId"]) not in failed]
        self.counters.kept += len(failed)
        self._metrics.messages.labels(self.mapping.queue_id, "kept").inc(len(failed))
        for start in range(0, len(done), RECEIVE_LIMIT):
            await self._delete(done[start : start + RECEIVE_LIMIT])
        return error is None

    async def _delete(self, messages: Sequence[Mapping[str, Any]]) -> None:
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate(messages)
        ]
        request = {"QueueUrl": self._queue().ref, "Entries": entries}
        answer = await self._sqs.call("DeleteMessageBatch", request)
        refused = answer.get("Failed") or []
        if refused:  # they come again: work that repeats must change nothing
            self._failed(f"{len(refused)} messages were not deleted: {refused[0].get('Message')}")
        deleted = len(entries) - len(refused)
        self.counters.deleted += deleted
        self._metrics.messages.labels(self.mapping.queue_id, "deleted").inc(deleted)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the poller is stopped or resumed meanwhile."""
        waits = [asyncio.create_task(event.wait()) for event in (self._stopping, self._resumed)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()

    def _failed(self, message: str) -> None:
        self.counters.errors += 1
        self.counters.last_error = message
        self._metrics.errors.labels(self.mapping.queue_id).inc()
        self._logs.write(
            "ERROR",
            "queue mapping failed",
            function=self.mapping.function,
            queue=self.mapping.queue_id,
            error=message,
        )
