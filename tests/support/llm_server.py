"""An OpenAI-compatible endpoint for tests: it answers, or misbehaves, as its script says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Step = Callable[["Exchange"], None]

NARRATIVE = {
    "summary": "A person without a helmet was detected at the gate.",
    "hazards": ["Head injury from falling objects."],
    "corrective_actions": ["Stop the work.", "Provide a helmet.", "Mark the area.", "Talk."],
    "follow_up": ["Within 7 days: check the stock of helmets."],
}


class Exchange(BaseHTTPRequestHandler):
    """One request, and the ways of answering it."""

    server: _Server
    body: dict[str, Any]

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        endpoint = self.server.endpoint
        with endpoint.lock:
            endpoint.requests.append(Request(self.path, dict(self.headers), self.body))
            step = endpoint.script.pop(0) if endpoint.script else endpoint.otherwise
        self.close_connection = True
        step(self)

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def wait(self, seconds: float) -> None:
        """Do nothing, until the endpoint stops at the latest."""
        self.server.endpoint.stopped.wait(seconds)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing on the tests' output."""


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Endpoint:
    """A running endpoint; each request takes the next step of `script`, then `otherwise`."""

    base_url: str = ""
    script: list[Step] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    otherwise: Step = field(default_factory=lambda: says(json.dumps(NARRATIVE)))
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoint: Endpoint

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


def says(content: Any) -> Step:
    """A chat completion with this content."""
    completion = {"choices": [{"message": {"role": "assistant", "content": content}}]}
    return raw(json.dumps(completion).encode())


def raw(body: bytes, status: int = 200, **headers: str) -> Step:
    """Exactly this body."""
    return lambda exchange: exchange.send(status, body, **headers)


def fails(status: int, **headers: str) -> Step:
    """An error as OpenAI words it."""
    return raw(b'{"error": {"message": "no", "type": "server_error"}}', status, **headers)


def slowly(seconds: float) -> Step:
    """Silence for this long, then an answer."""

    def step(exchange: Exchange) -> None:
        exchange.wait(seconds)
        says(json.dumps(NARRATIVE))(exchange)

    return step


def trickles(pause_s: float) -> Step:
    """A body that never ends: one byte every `pause_s` seconds."""

    def step(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", "100000")
        exchange.end_headers()
        while not exchange.server.endpoint.stopped.wait(pause_s):
            exchange.wfile.write(b" ")
            exchange.wfile.flush()

    return step


def cut(body: bytes = b'{"choices": [{"mess') -> Step:
    """A connection that ends in the middle of the body."""

    def step(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(len(body) + 1_000))
        exchange.end_headers()
        exchange.wfile.write(body)

    return step


def hangs_up() -> Step:
    """A connection that ends before any answer."""
    return lambda exchange: None


@contextmanager
def llm_endpoint() -> Iterator[Endpoint]:
    """An endpoint on a free loopback port."""
    server = _Server(("127.0.0.1", 0), Exchange)
    endpoint = Endpoint(base_url=f"http://127.0.0.1:{server.server_port}/v1")
    server.endpoint = endpoint
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
