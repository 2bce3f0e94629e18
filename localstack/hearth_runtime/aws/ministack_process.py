"""The program that runs MiniStack under the runtime.

    python -m hearth_runtime.aws.ministack_process DESCRIPTOR OBJECTS [HOST_NAME ...]

DESCRIPTOR is the listening socket, OBJECTS the folder that keeps objects, HOST_NAME a name of ours
beside those of loopback.

MiniStack's own program looks for messages ten times a second while a receiver waits, which adds
50 ms to every message. Here its ASGI application is wrapped so that a waiting receiver looks again
as soon as another request may have brought a message. Only MiniStack's public surface is used, and
one public constant is changed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import defaultdict
from collections.abc import Container, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .browser_guard import Application, BrowserGuard, Message, Receive, Send
from .disk_guard import DiskGuard

METRICS_KEPT_S = 3 * 3600
RECHECK_S = 0.1  # for what nobody announces: delays and visibility time-outs that end
# S3 announces an object from a thread of its own, a moment after it has answered.
_AFTER_WRITE_S = (0.003, 0.02)


class LongPolls:
    """ASGI middleware that wakes waiting SQS receivers, one of each queue at a time.

    A receiver that got messages wakes the next one. A receiver whose client went away is dropped
    before it takes a message, so a poller that stops loses nothing to the visibility time-out.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._waiting: defaultdict[str, list[asyncio.Event]] = defaultdict(list)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        target = dict(scope["headers"]).get(b"x-amz-target", b"")
        if target == b"AmazonSQS.ReceiveMessage":
            await self._receive_message(scope, receive, send)
            return
        await self._application(scope, receive, send)
        if target.startswith((b"AmazonSQS.Send", b"AmazonSQS.ChangeMessageVisibility")):
            self._wake()
        elif scope["method"] in ("PUT", "POST") and not target:
            loop = asyncio.get_running_loop()
            for delay in _AFTER_WRITE_S:
                loop.call_later(delay, self._wake)

    def _wake(self, queue: str | None = None) -> None:
        for waiting in self._waiting.values() if queue is None else [self._waiting[queue]]:
            if waiting:
                waiting[0].set()

    async def _receive_message(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        body = await _body(receive)
        try:
            request = json.loads(body)
            wait_s = float(request["WaitTimeSeconds"])
            queue = str(request["QueueUrl"])
        except (ValueError, KeyError, TypeError):
            await self._application(scope, _replay(body, receive), send)
            return
        body = json.dumps(request | {"WaitTimeSeconds": 0}).encode()
        headers = [item for item in scope["headers"] if item[0] != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        gone = asyncio.create_task(_disconnected(receive))
        turn = asyncio.Event()
        self._waiting[queue].append(turn)
        try:
            while not gone.done():
                turn.clear()
                answer: list[Message] = []
                await self._application(
                    {**scope, "headers": headers}, _replay(body, receive), _into(answer)
                )
                if loop.time() >= deadline or not _is_empty(answer):
                    for message in answer:
                        await send(message)
                    return
                await self._pause(queue, turn, gone, deadline - loop.time())
        finally:
            gone.cancel()
            self._waiting[queue].remove(turn)
            self._wake(queue)
            if not self._waiting[queue]:
                del self._waiting[queue]

    async def _pause(
        self, queue: str, turn: asyncio.Event, gone: asyncio.Task[None], left_s: float
    ) -> None:
        """Until this receiver is woken, its client goes away, or it is time to look anyway."""
        first = self._waiting[queue][0] is turn
        woken = asyncio.create_task(turn.wait())
        await asyncio.wait(
            (woken, gone),
            timeout=min(left_s, RECHECK_S) if first else left_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        woken.cancel()


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


def _into(answer: list[Message]) -> Send:
    async def collect(message: Message) -> None:
        answer.append(message)

    return collect


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_empty(answer: list[Message]) -> bool:
    """Whether it is a successful answer without messages."""
    body = b"".join(message.get("body", b"") for message in answer[1:])
    return bool(answer) and answer[0].get("status") == 200 and b'"Messages"' not in body


async def _serve(descriptor: int, objects: Path, names: Container[str]) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app  # type: ignore[import-untyped]
    from ministack.services import cloudwatch  # type: ignore[import-untyped]

    # It keeps metrics in memory, for two weeks if it were left to itself: up to 700 MB here.
    cloudwatch.TWO_WEEKS_SECONDS = METRICS_KEPT_S

    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def stopped() -> None:
        await stop.wait()

    guarded = BrowserGuard(DiskGuard(LongPolls(app), objects), names)
    await serve(guarded, config, shutdown_trigger=stopped)  # type: ignore[arg-type]


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
