"""Stand-ins for the engine, for SQS and for the log."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hearth_runtime.engine.functions import InvokeResult
from hearth_runtime.observe.logs import LogStream

Answer = bytes | Exception | Callable[[dict[str, Any]], Awaitable[bytes]]


def failure(error: str = "told to") -> Exception:
    """What `FakeEngine` turns into a function error."""
    return RuntimeError(error)


class FakeEngine:
    """Gives its answers in turn, the last one for ever. A RuntimeError is a function error; any
    other exception is raised."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers) or [b"null"]
        self.events: list[dict[str, Any]] = []
        self.running = 0
        self.most_running = 0

    async def invoke(
        self, function: str, payload: bytes, *, request_id: str | None = None
    ) -> InvokeResult:
        event = json.loads(payload)
        self.events.append(event)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            if callable(answer):
                answer = await answer(event)
        finally:
            self.running -= 1
        if isinstance(answer, RuntimeError):
            return InvokeResult("id", str(answer).encode(), "Unhandled", b"", 1.0, False)
        if isinstance(answer, Exception):
            raise answer
        return InvokeResult("id", answer, None, b"", 1.0, False)


class FakeSqs:
    """A queue in memory with a long poll that wakes at once; received messages stay invisible."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.visible: list[dict[str, Any]] = []
        self.in_flight: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.errors: list[Exception] = []
        self.refuse_deletes = False
        self._arrived = asyncio.Event()

    def send(self, *bodies: str) -> None:
        for body in bodies:
            name = f"m{next(self._numbers)}"
            self.visible.append(
                {"MessageId": name, "ReceiptHandle": f"r-{name}", "Body": body, "MD5OfBody": ""}
            )
        self._arrived.set()

    async def call(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((action, request))
        if self.errors:
            raise self.errors.pop(0)
        if action == "ReceiveMessage":
            return await self._receive(request)
        assert action == "DeleteMessageBatch"
        if self.refuse_deletes:
            return {
                "Failed": [{"Id": entry["Id"], "Message": "no"} for entry in request["Entries"]]
            }
        for entry in request["Entries"]:
            del self.in_flight[entry["ReceiptHandle"]]
        return {"Successful": []}

    async def _receive(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(request["WaitTimeSeconds"]):
                while not self.visible:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return {}
        count = request["MaxNumberOfMessages"]
        messages, self.visible = self.visible[:count], self.visible[count:]
        self.in_flight |= {message["ReceiptHandle"]: message for message in messages}
        return {"Messages": messages}


class MemoryLogs(LogStream):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[dict[str, Any]] = []

    def write(self, level: str, message: str, **fields: object) -> None:
        self.records.append({"level": level, "message": message, **fields})


async def until(condition: Callable[[], bool], timeout_s: float = 5) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (the tasks under test tell nobody)
            await asyncio.sleep(0.001)
