"""The HTTP API: takes requests, invokes the function of the route, answers as API Gateway does."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import web
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
from .loopback import is_loopback, is_owner, refusal
from .routing import Match, RouteTable

BODY_LIMIT = 10 * 1024 * 1024  # bytes, API Gateway's
BODY_TIMEOUT_S = 30.0  # the longest that API Gateway waits for anything
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


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
    ) -> None:
        """`written` is called with the path of each request that may have changed something."""
        self._written = written
        self._body_timeout_s = body_timeout_s
        self._api = api
        self._calls = Calls(engine)
        self._gatekeeper = Gatekeeper(self._calls, logs, registry, region=region, account=account)
        self._logs = logs
        self._account = account
        self._routes = RouteTable(api.routes)
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
        self.port = 0
        self.url = ""

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one, `port` then tells which. Raises OSError."""
        self._on_loopback = is_loopback(host)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=512)
        self.port = listener.getsockname()[1]
        self.url = f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
        # A compressed body is the function's to read, as behind API Gateway.
        server = web.Server(self._handle, access_log=None, auto_decompress=False)
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def start_for_owner(self) -> None:
        """Listen on loopback as well, for `hearth` in the same container: who may run programs
        there needs to show nothing. `url` then is that address."""
        if self._runner is None:
            raise RuntimeError("the gateway has not been started")
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._owners_port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._owners_port}"
        await web.SockSite(self._runner, listener).start()

    def _came_over_loopback(self, incoming: web.BaseRequest) -> bool:
        if self._on_loopback:
            return True
        if self._owners_port is None or incoming.transport is None:
            return False
        reached: tuple[str, int] = incoming.transport.get_extra_info("sockname")
        return reached[1] == self._owners_port

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        request_id = str(uuid.uuid4())
        method, path = incoming.method, incoming.raw_path.split("?", 1)[0]
        match = self._routes.find(method, path)
        try:
            answer = await self._answer(incoming, match, path, request_id)
        except (web.RequestPayloadError, ConnectionError):  # malformed or cut off by the client
            answer = _message(400, "Bad Request")
        except Exception as error:  # the gateway itself failed: API Gateway's 500
            self._logs.write("ERROR", "gateway failed", request_id=request_id, error=repr(error))
            answer = _message(500, "Internal Server Error")
        if self._written is not None and method not in _SAFE_METHODS and answer.status < 400:
            self._written(path)
        seconds = time.perf_counter() - began
        route = match.route.key if match else "none"
        self._latency.labels(route, str(answer.status)).observe(seconds)
        self._logs.write(
            "INFO",
            "request",
            request_id=request_id,
            method=method,
            path=path,
            route=route,
            status=answer.status,
            duration_ms=round(seconds * 1000, 3),
            bytes=len(answer.body),
            source_ip=incoming.remote or "",
            caller=incoming.get("caller", ""),
        )
        headers = CIMultiDict([*answer.headers, ("apigw-requestid", request_id)])
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def _answer(
        self, incoming: web.BaseRequest, match: Match | None, path: str, request_id: str
    ) -> HttpAnswer:
        local = self._came_over_loopback(incoming)
        reason = refusal(incoming.headers, self._trusts) if local else None
        if reason is not None:
            return _message(403, f"Forbidden: {reason}")
        rules, origin = self._api.cors, incoming.headers.get("Origin")
        if rules is None:
            return await self._serve(incoming, match, path, request_id)
        wanted = incoming.headers.get("Access-Control-Request-Method")
        if incoming.method == "OPTIONS" and origin is not None and wanted is not None:
            return HttpAnswer(204, cors.preflight_headers(rules, origin, wanted), b"")
        answer = await self._serve(incoming, match, path, request_id)
        # The API's settings replace what the function said about CORS.
        kept = [item for item in answer.headers if not item[0].startswith("access-control-")]
        return replace(answer, headers=[*kept, *cors.answer_headers(rules, origin)])

    async def _serve(
        self, incoming: web.BaseRequest, match: Match | None, path: str, request_id: str
    ) -> HttpAnswer:
        if match is None:
            return _message(404, "Not Found")
        bucket = self._buckets.get(match.route.key)
        if bucket is not None and not bucket.take():
            return _message(429, "Too Many Requests")
        request = HttpRequest(
            method=incoming.method,
            path=path,
            query=incoming.raw_path.partition("?")[2],
            headers=list(incoming.headers.items()),
            source_ip=incoming.remote or "",
            port=self.port,
            protocol=f"HTTP/{incoming.version.major}.{incoming.version.minor}",
        )
        event = http_event(request, match, request_id, self._account, datetime.now(UTC))
        is_local = self._came_over_loopback(incoming) and is_owner(incoming.headers)
        try:
            # Before the body is read: who may not call sends nothing.
            caller = await self._gatekeeper.admit(match, event, is_local=is_local)
        except Refused as refused:
            return _message(refused.status, refused.message)
        if is_local or match.route.authorizer is not None:
            add_caller(event, caller)
            # As the template's access log names them: $context.authorizer.principal_id.
            incoming["caller"] = (caller or {}).get("principal_id", "")
        try:
            # A broken chunk in the middle of a body is never reported by the server, only awaited.
            async with asyncio.timeout(self._body_timeout_s):
                body = await _limited_body(incoming)
        except TimeoutError:
            return _message(408, "Request Timeout")
        if body is None:
            return _message(413, "Request Entity Too Large")
        add_body(event, body)
        return await self._invoke(match, json.dumps(event).encode(), request_id)

    async def _invoke(self, match: Match, payload: bytes, request_id: str) -> HttpAnswer:
        route = match.route
        try:
            result = await self._calls.invoke(
                route.function, payload, request_id=request_id, timeout_s=route.timeout_s
            )
        except TimeoutError:
            return _message(504, "Endpoint request timed out")
        except PayloadTooLarge:
            return _message(413, "Request Entity Too Large")
        except RuntimeRefusal as error:
            self._logs.write("WARNING", "invocation refused", error=str(error))
            return _message(503, "Service Unavailable")
        if result.function_error is not None:
            return _message(502, "Internal Server Error")
        try:
            return http_answer(result.payload)
        except BadFunctionAnswer as error:
            self._logs.write("ERROR", "bad answer", function=route.function, error=str(error))
            return _message(502, "Internal Server Error")

    def _trusts(self, origin: str) -> bool:
        return self._api.cors is not None and cors.allows(self._api.cors, origin)


async def _limited_body(incoming: web.BaseRequest) -> bytes | None:
    """The body, or None when it is larger than API Gateway takes."""
    if (incoming.content_length or 0) > BODY_LIMIT:
        return None
    body = bytearray()
    async for piece in incoming.content.iter_any():
        body += piece
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _message(status: int, text: str) -> HttpAnswer:
    body = json.dumps({"message": text}).encode()
    return HttpAnswer(status, [("content-type", "application/json")], body)
