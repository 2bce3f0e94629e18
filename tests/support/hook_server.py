"""A real HTTP server that takes webhooks, and answers as its script says."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer; `manner` is how it is given.

    `plain`: as HTTP says. `drip`: headers that never end, a byte at a time. `endless`: a body that
    never ends. `silence`: nothing, until the caller has gone. `garbage`: no HTTP at all. `hang up`:
    nothing, at once.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"ok"
    manner: str = "plain"


@dataclass
class Taken:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hooks:
    """What came in, and the next answers; when they are used up, 200."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.contextmanager
def hook_server() -> Iterator[Hooks]:
    """A server on a free loopback port while the block runs."""
    hooks = Hooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            names = {name.lower(): value for name, value in self.headers.items()}
            hooks.taken.append(Taken(self.path, names, body))
            answer = hooks.answers.pop(0) if hooks.answers else Answer()
            self.close_connection = True
            with contextlib.suppress(OSError):
                _give(self, answer, hooks.ended)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing on the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hooks.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hooks
    finally:
        hooks.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _give(handler: BaseHTTPRequestHandler, answer: Answer, ended: threading.Event) -> None:
    raw: socket.socket = handler.connection
    match answer.manner:
        case "plain":
            handler.send_response(answer.status)
            for name, value in answer.headers:
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body)
        case "drip":
            raw.sendall(b"HTTP/1.1 200 OK\r\nx-never-ends: ")
            while not ended.wait(0.02):
                raw.sendall(b"x")
        case "endless":
            raw.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
            while not ended.is_set():
                raw.sendall(b"x" * 65_536)
        case "silence":
            ended.wait(60)
        case "garbage":
            raw.sendall(b"\x00\xff this is not HTTP\r\n\r\n")
            time.sleep(0.01)
        case "hang up":
            raw.shutdown(socket.SHUT_RDWR)
        case other:
            raise ValueError(other)
