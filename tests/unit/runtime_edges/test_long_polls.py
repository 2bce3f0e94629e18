"""The wrapper around MiniStack that wakes waiting receivers, over a queue of the test's own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from hearth_runtime.aws.ministack_process import LongPolls


class Emulator:
    """An ASGI application with one queue and no long poll."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.receives = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        assert dict(scope["headers"])[b"content-length"] == str(len(body)).encode()
        request = json.loads(body)
        answer: dict[str, Any] = {}
        if "MessageBody" in request:
            self.messages.append(request["MessageBody"])
        else:
            self.receives += 1
            assert not request.get("WaitTimeSeconds")
            taken, self.messages = self.messages[:1], self.messages[1:]
            answer = {"Messages": taken} if taken else {}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


class Client:
    """Speaks ASGI to the wrapper."""

    def __init__(self) -> None:
        self.emulator = Emulator()
        self.app = LongPolls(self.emulator)

    async def call(
        self, action: str, request: dict[str, Any], gone: asyncio.Event | None = None
    ) -> dict[str, Any]:
        body = json.dumps(request).encode()
        scope = {
            "type": "http",
            "method": "POST",
            "headers": [
                (b"x-amz-target", f"AmazonSQS.{action}".encode()),
                (b"content-length", str(len(body)).encode()),
            ],
        }
        parts = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> Any:
            if parts:
                return parts.pop()
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        return json.loads(sent[1]["body"]) if sent else {}

    async def receive(self, wait_s: int = 5, gone: asyncio.Event | None = None) -> list[str]:
        request = {"QueueUrl": "q", "WaitTimeSeconds": wait_s}
        return list((await self.call("ReceiveMessage", request, gone)).get("Messages", []))

    async def send(self, body: str) -> None:
        await self.call("SendMessage", {"QueueUrl": "q", "MessageBody": body})


def run(scenario: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await scenario(Client())

    asyncio.run(main())


def test_a_waiting_receiver_gets_a_message_at_once() -> None:
    async def scenario(client: Client) -> None:
        waiting = asyncio.create_task(client.receive())
        await asyncio.sleep(0.02)
        began = time.monotonic()
        await client.send("a")
        assert await waiting == ["a"]
        assert time.monotonic() - began < 0.05

    run(scenario)


def test_every_waiting_receiver_gets_its_message() -> None:
    async def scenario(client: Client) -> None:
        waiting = [asyncio.create_task(client.receive()) for _ in range(3)]
        await asyncio.sleep(0.02)
        for body in "abc":
            await client.send(body)
        assert sorted(body for bodies in await asyncio.gather(*waiting) for body in bodies) == [
            "a",
            "b",
            "c",
        ]

    run(scenario)


def test_without_messages_the_wait_ends_empty_and_costs_little() -> None:
    async def scenario(client: Client) -> None:
        waiting = [asyncio.create_task(client.receive(wait_s=1)) for _ in range(5)]
        assert await asyncio.gather(*waiting) == [[]] * 5
        assert client.emulator.receives < 25, "one of the five looks again, ten times a second"

    run(scenario)


def test_a_request_that_does_not_wait_is_passed_on() -> None:
    async def scenario(client: Client) -> None:
        assert await client.call("ReceiveMessage", {"QueueUrl": "q"}) == {}
        assert await client.receive(wait_s=0) == []
        assert client.emulator.receives == 2

    run(scenario)


def test_a_receiver_whose_client_went_away_takes_nothing() -> None:
    async def scenario(client: Client) -> None:
        gone = asyncio.Event()
        waiting = asyncio.create_task(client.receive(gone=gone))
        await asyncio.sleep(0.02)
        gone.set()
        await waiting
        await client.send("a")
        assert client.emulator.messages == ["a"]
        assert await client.receive(wait_s=0) == ["a"]

    run(scenario)
