"""The Runtime API's HTTP, spoken to by hand: what awslambdaric never sends, and when it is cut."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from hearth_runtime.engine.functions import RESPONSE_LIMIT
from hearth_runtime.engine.runtime_api import (
    ACCEPTED,
    INVALID_REQUEST_ID,
    TOO_LARGE,
    Answer,
    RuntimeApi,
)

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Recorded:
    """Events as an instance would take them; only request "known" is running."""

    def __init__(self) -> None:
        self.polls = 0
        self.bodies: list[bytes | None] = []

    def polled(self) -> None:
        self.polls += 1

    def responded(self, request_id: str, body: bytes | None) -> Answer:
        self.bodies.append(body)
        if body is None:
            return TOO_LARGE
        return ACCEPTED if request_id == "known" else INVALID_REQUEST_ID

    failed = responded

    def init_failed(self, body: bytes | None) -> Answer:
        self.bodies.append(body)
        return ACCEPTED


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[RuntimeApi, Recorded, int]]:
    events = Recorded()
    api = RuntimeApi(events)
    address = await api.start()
    try:
        yield api, events, int(address.rpartition(":")[2])
    finally:
        api.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def exchange(port: int, data: bytes, pieces: int = 1) -> tuple[int, bytes]:
    """Send `data` in so many pieces; the status and body of the first answer that is final."""
    async with connected(port) as (reader, writer):
        size = max(1, len(data) // pieces)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            if pieces > 1:
                await asyncio.sleep(0.001)
        status = 100
        while status == 100:
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return status, await reader.readexactly(length)


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST /2018-06-01/runtime/{path} HTTP/1.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post("invocation/known/response", b""), 202),
        (post("invocation/known/response", b"{}"), 202),
        (post("invocation/known/response", b"{}", "Expect: 100-continue"), 202),
        (post("invocation/known/error", b"{}", f"X-Cause: {'x' * 1_000_000}"), 202),
        (post("init/error", b"{}"), 202),
        (post("invocation/other/response", b"{}"), 400),
        (post("invocation/other/error", b"{}"), 400),
        (post("invocation/known/response", b"x" * (RESPONSE_LIMIT + 1)), 413),
        (post("invocation/known/nonsense", b"{}"), 404),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n", 404),
        (post("invocation/known/response", b"{}", "Transfer-Encoding: chunked"), 411),
        (b"nonsense\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    ],
)
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_request_is_answered_with(request_: bytes, status: int, pieces: int) -> None:
    async def scenario() -> None:
        async with serving() as (_, _, port):
            answered, body = await exchange(port, request_, pieces)
            assert answered == status, body
            assert isinstance(json.loads(body), dict)

    asyncio.run(scenario())


def test_endless_headers_end_the_connection() -> None:
    async def scenario() -> None:
        async with serving() as (_, _, port), connected(port) as (reader, writer):
            async with asyncio.timeout(5):
                with suppress(ConnectionError):
                    writer.write(b"GET /" + b"x" * 2_200_000)
                    await writer.drain()
                    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")

    asyncio.run(scenario())


def test_requests_in_one_packet_are_answered_one_after_the_other() -> None:
    async def scenario() -> None:
        async with serving() as (_, events, port):
            await exchange(port, post("invocation/known/response", b'"a"') * 3)
            assert events.bodies == [b'"a"'] * 3

    asyncio.run(scenario())


def test_an_event_goes_to_who_waits_and_not_to_who_has_hung_up() -> None:
    async def scenario() -> None:
        async with serving() as (api, events, port):
            assert api.hand_over({}, b"{}") is False
            with socket.create_connection(("127.0.0.1", port)) as peer:
                peer.sendall(NEXT)
                async with asyncio.timeout(2):
                    while events.polls == 0:  # noqa: ASYNC110
                        await asyncio.sleep(0)
            # Closed just now: the kernel knows it, the event loop has not run since.
            assert api.hand_over({}, b"{}") is False
            async with connected(port) as (reader, writer):
                writer.write(NEXT)
                await asyncio.sleep(0.05)
                assert api.hand_over({"Lambda-Runtime-Aws-Request-Id": "1"}, b"{}") is True
                assert api.hand_over({}, b"{}") is False
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"Lambda-Runtime-Aws-Request-Id: 1\r\n" in head

    asyncio.run(scenario())


def test_a_second_poll_on_a_new_connection_takes_the_place_of_the_first() -> None:
    async def scenario() -> None:
        async with serving() as (api, _, port), connected(port) as (first, writer):
            writer.write(NEXT)
            await asyncio.sleep(0.05)
            async with connected(port) as (second, other):
                other.write(NEXT)
                with suppress(ConnectionResetError):
                    assert await first.read() == b""
                assert api.hand_over({}, b'"e"') is True
                assert (await second.read(1000)).endswith(b'"e"')

    asyncio.run(scenario())
