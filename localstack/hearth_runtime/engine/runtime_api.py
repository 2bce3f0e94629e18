"""The Runtime API that `awslambdaric` polls: one port for each instance.

One port each, so that a request says which process it comes from: a time-out kills the right one.
The HTTP server is written by hand because of its latency: with aiohttp here a no-op invocation took
0.57 ms (p50), with this 0.48, of which the function's own process takes about 0.2.

Reference: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import json
import select
from collections.abc import Mapping
from typing import Protocol, cast

from hearth_runtime.http.loopback import is_loopback, refusal

from .functions import RESPONSE_LIMIT

PREFIX = "/2018-06-01/runtime/"
# awslambdaric may put an X-Ray cause of up to 1 MB in a header of /error.
HEADER_LIMIT = 2 * 1024 * 1024
REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}
REASONS |= {411: "Length Required", 413: "Request Entity Too Large", 431: "Headers Too Large"}

Answer = tuple[int, bytes]
ACCEPTED: Answer = (202, b'{"status":"OK"}')
INVALID_REQUEST_ID: Answer = (
    400,
    b'{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}',
)
TOO_LARGE: Answer = (
    413,
    b'{"errorMessage":"Exceeded maximum allowed payload size (%d bytes).",'
    b'"errorType":"RequestEntityTooLarge"}' % RESPONSE_LIMIT,
)


class RuntimeEvents(Protocol):
    """What the process on the other side does. `body` is None when it was too large to keep."""

    def polled(self) -> None: ...
    def responded(self, request_id: str, body: bytes | None) -> Answer: ...
    def failed(self, request_id: str, body: bytes | None) -> Answer: ...
    def init_failed(self, body: bytes | None) -> Answer: ...


class RuntimeApi:
    """Serves the Runtime API to one process."""

    def __init__(self, events: RuntimeEvents) -> None:
        self._events = events
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._poller: _Connection | None = None
        self._client: str | None = None

    async def start(self, host: str = "127.0.0.1") -> str:
        """Listen on a free port; returns "host:port"."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"{host}:{port}"

    def only_for(self, client: str | None) -> None:
        """Take connections from this IP address only: other functions' work is nobody's business.
        None takes them from everywhere."""
        self._client = client

    def close(self) -> None:
        """Stop listening and drop every connection; awslambdaric then ends by itself."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()

    def hand_over(self, headers: dict[str, str], payload: bytes) -> bool:
        """Give an event to the waiting process; False when nobody waits there any more.

        The socket is looked at first: a process that was killed a moment ago still counts as
        waiting for the event loop, and an event written to it would be lost.
        """
        poller, self._poller = self._poller, None
        if poller is None or not poller.alive():
            return False
        poller.answer(200, payload, headers)
        return True

    # ---- called by connections ----

    def reason_to_refuse(self, headers: Mapping[str, str]) -> str | None:
        """Why a request is not served: a browser on this machine may have sent it.

        A container that is known by its address calls us by another name, and a browser always
        names the host.
        """
        if "host" not in headers or (self._client is not None and not is_loopback(self._client)):
            return None
        names = {"Host": "host", "Origin": "origin", "Sec-Fetch-Site": "sec-fetch-site"}
        return refusal({name: headers[key] for name, key in names.items() if key in headers})

    def opened(self, connection: _Connection) -> None:
        self._connections.add(connection)
        if self._client is not None and connection.client != self._client:
            connection.abort()

    def closed(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        if self._poller is connection:
            self._poller = None

    def request(
        self, connection: _Connection, method: str, path: str, body: bytes | None
    ) -> Answer | None:
        """Answer to one request; None when it comes later (`next`)."""
        if not path.startswith(PREFIX):
            return _not_found(path)
        match method, path.removeprefix(PREFIX).split("/"):
            case "GET", ["invocation", "next"]:
                if self._poller is not None and self._poller is not connection:
                    self._poller.abort()  # it came back on a new connection
                self._poller = connection
                self._events.polled()
                return None
            case "POST", ["invocation", request_id, "response"]:
                return self._events.responded(request_id, body)
            case "POST", ["invocation", request_id, "error"]:
                return self._events.failed(request_id, body)
            case "POST", ["init", "error"]:
                return self._events.init_failed(body)
            case _:
                return _not_found(path)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and Content-Length: what a runtime client speaks."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._buffer = bytearray()
        self._request: tuple[str, str] | None = None  # method, path; None while in the headers
        self._missing = 0  # bytes of the body still to come
        self._too_large = False
        self._answering = False  # one request at a time, so that answers keep their order

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.client = str(transport.get_extra_info("peername")[0])
        # select.poll takes any descriptor; select.select none above 1023.
        self._readable = select.poll()
        self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._api.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.closed(self)

    def alive(self) -> bool:
        """Whether the peer still waits. It has nothing to say, so readable means it has gone."""
        return not self._transport.is_closing() and not self._readable.poll(0)

    def abort(self) -> None:
        self._transport.abort()

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS[status]}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
        # Whatever is in a header, an answer that failed here would end the process that waits.
        self._transport.write("\r\n".join(lines).encode("utf-8", "replace") + body)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._answering and not self._transport.is_closing():
            if self._request is None and not self._read_head():
                return
            if not self._read_body():
                return

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEADER_LIMIT:
                self._refuse(431, "headers of more than 2 MB")
            return False
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        try:
            method, path, _ = first.split(" ")
            self._missing = int(headers.get("content-length", "0"))
        except ValueError:
            self._refuse(400, "not an HTTP request")
            return False
        if self._missing < 0:
            self._refuse(400, "Content-Length below 0")
            return False
        if (reason := self._api.reason_to_refuse(headers)) is not None:
            self._refuse(403, reason)
            return False
        if "transfer-encoding" in headers:
            self._refuse(411, "send Content-Length; chunked bodies are not taken")
            return False
        if headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._request = method, path
        self._too_large = self._missing > RESPONSE_LIMIT
        return True

    def _read_body(self) -> bool:
        if self._too_large:  # read to its end, or the client would never read our answer
            dropped = min(self._missing, len(self._buffer))
            del self._buffer[:dropped]
            self._missing -= dropped
        if len(self._buffer) < self._missing or (self._too_large and self._missing):
            return False
        body = None if self._too_large else bytes(self._buffer[: self._missing])
        del self._buffer[: self._missing]
        method, path = cast(tuple[str, str], self._request)
        self._request, self._missing, self._too_large = None, 0, False
        if (answer := self._api.request(self, method, path, body)) is not None:
            # Our answer comes after what the request set off: the caller of the function goes
            # first (0.07 ms of each invocation here, the time of one send).
            self._answering = True
            asyncio.get_running_loop().call_soon(self._answer_now, answer)
        return bool(self._buffer)

    def _answer_now(self, answer: Answer) -> None:
        self._answering = False
        if not self._transport.is_closing():
            self.answer(*answer)
            self.data_received(b"")  # what came in meanwhile

    def _refuse(self, status: int, message: str) -> None:
        body = {"errorMessage": message, "errorType": "BadRequest"}
        self.answer(status, json.dumps(body).encode())
        self._transport.close()


def _not_found(path: str) -> Answer:
    known = "invocation/next, invocation/{id}/response, invocation/{id}/error, init/error"
    return 404, (
        b'{"errorMessage":"No such path; the Runtime API has %s","errorType":"NotFound"}'
        % known.encode()
    )
