"""The HTTP API: takes requests, invokes the function of the route, answers as API Gateway does."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict
from prometheus_client import CollectorRegistry, Histogram

from hearth_runtime.engine.functions import PayloadTooLarge, RuntimeRefusal
from hearth_runtime.http import cors
from hearth_runtime.observe.logs import LogStream
from hearth_runtime.template.model import Api, Throttle

from .authorizer import Gatekeeper, Refused
from .calls import Calls, Invoker
from .events import (
    BadFunctionAnswer,
    HttpAnswer,
    HttpRequest,
    add_body,
    add_caller,
    http_answer,
    http_event,
)
from .loopback import is_loopback, refusal
from .owner import Owner
from .proxies import Client, Network, client_of, plain_address
from .routing import Match, RouteTable

BODY_LIMIT = 10 * 1024 * 1024  # bytes, API Gateway's
HEADERS_LIMIT = 10_240  # bytes of the request line and header values together, API Gateway's
BODY_TIMEOUT_S = 30.0  # the longest that API Gateway waits for anything
USERS_PATH = "/api/v1/auth/setup"
"""Of the route that says, to anybody, whether a user has registered."""
_USERS = USERS_PATH.removesuffix("setup")
_PROBING = ("GET", "HEAD")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


Probe = tuple[int, Mapping[str, Any]]


class TokenBucket:
    """Lets `burst` requests through at once and `rate` a second in the long run."""

    def __init__(self, throttle: Throttle, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._now = throttle.rate, float(throttle.burst), now
        self._tokens, self._filled = self._burst, now()

    def take(self) -> bool:
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class _Call:
    """A request on its way through the gateway; `path` and `query` are still percent-encoded."""

    incoming: web.BaseRequest
    path: str
    query: str
    match: Match | None
    client: Client
    request_id: str
    is_local: bool = False
    caller: str = ""


class Gateway:
    """Serves one HTTP API. Start it once; stop it once."""

    def __init__(
        self,
        api: Api,
        engine: Invoker,
        logs: LogStream,
        registry: CollectorRegistry,
        *,
        region: str = "us-east-1",
        account: str = "000000000000",
        body_timeout_s: float = BODY_TIMEOUT_S,
        written: Callable[[str], None] | None = None,
        owner_key: str = "",
        owner_needs_key: bool = False,
        trusted_proxies: Sequence[Network] = (),
        probes: Mapping[str, Callable[[], Probe]] | None = None,
    ) -> None:
        """
        Args:
            written: Called with the path of each request that may have changed something.
            owner_key: By which programs of this machine show that they are its owner's.
            owner_needs_key: Whether they need it even while no user has registered.
            trusted_proxies: Whose word about the client's address and scheme counts.
            probes: Status and body of /health and the like, for paths without a route.
        """
        self._written = written
        self._trusted_proxies = trusted_proxies
        self._probes = probes or {}
        self._body_timeout_s = body_timeout_s
        self._api = api
        self._calls = Calls(engine)
        self._gatekeeper = Gatekeeper(self._calls, logs, registry, region=region, account=account)
        self._logs = logs
        self._account = account
        self._routes = RouteTable(api.routes)
        has_users = self._routes.find("GET", USERS_PATH)
        self._owner = Owner(
            owner_key,
            # Programs on other addresses show a key of their own, those of this machine its key.
            needs_key=owner_needs_key or bool(trusted_proxies),
            has_users=None
            if has_users is None or not has_users.route.public
            else partial(self._has_users, has_users),
        )
        # API Gateway gives every route a bucket of its own.
        self._buckets = {
            route.key: TokenBucket(throttle)
            for route in api.routes
            if (throttle := route.throttle or api.throttle) is not None
        }
        self._latency = Histogram(
            "hearth_runtime_gateway_request_seconds",
            "Time from a request to its answer.",
            ("route", "status"),
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._runner: web.ServerRunner | None = None
        self._on_loopback = True
        self._owners_port: int | None = None
        self._scheme = "http"
        self.port = 0
        self.url = ""
        self.owner_url = ""

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen; port 0 takes a free one, `port` then tells which. Raises OSError."""
        self._on_loopback = is_loopback(host)
        self._scheme = "http" if tls is None else "https"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=512)
        self.port = listener.getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        self.url = self.owner_url = f"{self._scheme}://{name}:{self.port}"
        # A compressed body is the function's to read, as behind API Gateway.
        server = web.Server(
            self._handle,
            access_log=None,
            auto_decompress=False,
            max_line_size=HEADERS_LIMIT,
            max_field_size=HEADERS_LIMIT,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=tls).start()

    async def start_for_owner(self) -> None:
        """Listen on loopback as well, at `owner_url`: for `hearth` in the same container, and
        where the certificate is of another name."""
        if self._runner is None:
            raise RuntimeError("the gateway has not been started")
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._owners_port = listener.getsockname()[1]
        self.owner_url = f"http://127.0.0.1:{self._owners_port}"
        await web.SockSite(self._runner, listener).start()

    def _is_for_this_machine(self, incoming: web.BaseRequest) -> bool:
        """Whether the request came in where only programs of this machine can connect."""
        return self._on_loopback or self._came_for_owner(incoming)

    def _came_for_owner(self, incoming: web.BaseRequest) -> bool:
        if self._owners_port is None or incoming.transport is None:
            return False
        reached: tuple[str, int] = incoming.transport.get_extra_info("sockname")
        return reached[1] == self._owners_port

    async def _has_users(self, match: Match) -> bool:
        """Whether a user has registered. An answer that says neither counts as yes."""
        request_id = str(uuid.uuid4())
        request = HttpRequest(
            "GET", USERS_PATH, "", [("host", "localhost")], "127.0.0.1", self.port
        )
        event = http_event(request, match, request_id, self._account, datetime.now(UTC))
        answer = await self._invoke(match, json.dumps(event).encode(), request_id)
        try:
            return json.loads(answer.body)["is_set_up"] is not False
        except (ValueError, KeyError, TypeError):
            self._logs.write("ERROR", "users are not known", status=answer.status)
            return True

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        method, target = incoming.method, _origin_form(incoming.raw_path)
        path, _, query = target.partition("?")
        client = client_of(
            incoming.remote or "",
            incoming.headers,
            http_1_0=incoming.version < HttpVersion11,
            trusted=self._trusted_proxies,
        )
        match = self._routes.find(method, path)
        call = _Call(incoming, path, query, match, client, str(uuid.uuid4()))
        try:
            answer = await self._answer(call)
        except (web.RequestPayloadError, ConnectionError):  # malformed or cut off by the client
            answer = _message(400, "Bad Request")
        except Exception as error:  # the gateway itself failed: API Gateway's 500
            self._logs.write(
                "ERROR", "gateway failed", request_id=call.request_id, error=repr(error)
            )
            answer = _message(500, "Internal Server Error")
        if method not in _SAFE_METHODS:
            if self._written is not None and answer.status < 400:
                self._written(path)
            if path.startswith(_USERS):
                self._owner.forget()
        seconds = time.perf_counter() - began
        route = match.route.key if match else "none"
        self._latency.labels(route, str(answer.status)).observe(seconds)
        self._logs.write(
            "INFO",
            "request",
            request_id=call.request_id,
            method=method,
            path=path,
            route=route,
            status=answer.status,
            duration_ms=round(seconds * 1000, 3),
            bytes=len(answer.body),
            source_ip=client.address,
            caller=call.caller,
        )
        headers = CIMultiDict([*answer.headers, ("apigw-requestid", call.request_id)])
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def _answer(self, call: _Call) -> HttpAnswer:
        method, headers = call.incoming.method, call.incoming.headers
        size = len(call.incoming.raw_path) + sum(map(len, headers.values()))
        if size > HEADERS_LIMIT:
            return _message(431, "Request Header Fields Too Large")
        if call.match is None and method in _PROBING and (probe := self._probes.get(call.path)):
            return _json_answer(*probe())
        call.is_local = self._owner.shows_key(call.client, headers)
        if not call.is_local and call.client.is_direct and self._is_for_this_machine(call.incoming):
            # Then nothing but the address would be asked for, which a web page's requests have too.
            is_anybody = await self._owner.is_anybody()
            reason = refusal(headers, self._trusts) if is_anybody else None
            if reason is not None:
                return _message(403, f"Forbidden: {reason}")
            has_key = "Authorization" in headers
            call.is_local = is_anybody and (self._owner.takes_any_key or not has_key)
        rules, origin = self._api.cors, headers.get("Origin")
        if rules is None:
            return await self._serve(call)
        wanted = headers.get("Access-Control-Request-Method")
        if method == "OPTIONS" and origin is not None and wanted is not None:
            return HttpAnswer(204, cors.preflight_headers(rules, origin, wanted), b"")
        answer = await self._serve(call)
        # The API's settings replace what the function said about CORS.
        kept = [item for item in answer.headers if not item[0].startswith("access-control-")]
        return replace(answer, headers=[*kept, *cors.answer_headers(rules, origin)])

    async def _serve(self, call: _Call) -> HttpAnswer:
        incoming, match, client = call.incoming, call.match, call.client
        if match is None:
            return _message(404, "Not Found")
        bucket = self._buckets.get(match.route.key)
        if bucket is not None and not bucket.take():
            return _message(429, "Too Many Requests")
        request = HttpRequest(
            method=incoming.method,
            path=call.path,
            query=call.query,
            headers=list(incoming.headers.items()),
            source_ip=client.address,
            port=self.port,
            scheme=client.scheme or ("http" if self._came_for_owner(incoming) else self._scheme),
            hop=plain_address(incoming.remote or ""),
            protocol=f"HTTP/{incoming.version.major}.{incoming.version.minor}",
        )
        event = http_event(request, match, call.request_id, self._account, datetime.now(UTC))
        try:
            # Before the body is read: who may not call sends nothing.
            caller = await self._gatekeeper.admit(match, event, is_local=call.is_local)
        except Refused as refused:
            return _message(refused.status, refused.message)
        if call.is_local or match.route.authorizer is not None:
            add_caller(event, caller)
            # As the template's access log names them: $context.authorizer.principal_id.
            call.caller = (caller or {}).get("principal_id", "")
        try:
            # A broken chunk in the middle of a body is never reported by the server, only awaited.
            async with asyncio.timeout(self._body_timeout_s):
                body = await _limited_body(incoming)
        except TimeoutError:
            return _message(408, "Request Timeout")
        if body is None:
            return _message(413, "Request Entity Too Large")
        add_body(event, body)
        return await self._invoke(match, json.dumps(event).encode(), call.request_id)

    async def _invoke(self, match: Match, payload: bytes, request_id: str) -> HttpAnswer:
        route = match.route
        try:
            result = await self._calls.invoke(
                route.function, payload, request_id=request_id, timeout_s=route.timeout_s
            )
        except TimeoutError:
            return _message(503, "Service Unavailable")
        except PayloadTooLarge:
            return _message(413, "Request Entity Too Large")
        except RuntimeRefusal as error:
            self._logs.write("WARNING", "invocation refused", error=str(error))
            return _message(503, "Service Unavailable")
        if result.function_error is not None:
            return _message(500, "Internal Server Error")
        try:
            return http_answer(result.payload)
        except BadFunctionAnswer as error:
            self._logs.write("ERROR", "bad answer", function=route.function, error=str(error))
            return _message(500, "Internal Server Error")

    def _trusts(self, origin: str) -> bool:
        return self._api.cors is not None and cors.allows(self._api.cors, origin)


async def _limited_body(incoming: web.BaseRequest) -> bytes | None:
    """The body, or None when it is larger than API Gateway takes."""
    if (incoming.content_length or 0) > BODY_LIMIT:
        return None
    if incoming.headers.get("Expect", "").lower() == "100-continue" and incoming.transport:
        incoming.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    async for piece in incoming.content.iter_any():
        body += piece
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _origin_form(target: str) -> str:
    """The target of a request line as a path, also where it is a whole URL (RFC 9112, 3.2.2)."""
    if target.startswith("/"):
        return target
    parts = urlsplit(target)
    return urlunsplit(("", "", parts.path or "/", parts.query, "")) if parts.netloc else target


def _message(status: int, text: str) -> HttpAnswer:
    return _json_answer(status, {"message": text})


def _json_answer(status: int, body: Mapping[str, Any]) -> HttpAnswer:
    return HttpAnswer(status, [("content-type", "application/json")], json.dumps(body).encode())
