"""The control server: Lambda's Invoke API, status, metrics and health, on loopback only.

Where functions run in containers of their own, it listens for their network too. All it has for
that is /metrics, the addresses to which custom resources answer, once, by a token, and the cameras
for the service that watches them.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from hearth_runtime.cameras.service import SERVICE, RemoteCameras
from hearth_runtime.engine.engine import Engine
from hearth_runtime.engine.functions import SYNC_PAYLOAD_LIMIT
from hearth_runtime.launchers.compose_containers import is_address_of
from hearth_runtime.observe.metrics import Metrics
from hearth_runtime.sources.custom_resources import PATH, Answers

from .invoke_api import add_invoke_routes
from .loopback import CROSS_SITE, is_cross_site, is_loopback, refusal

_PLAIN_TEXT = "text/plain; version=0.0.4; charset=utf-8"
CAMERAS = "/cameras"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlServer:
    """Answers as soon as it is started; /ready says 503 until `set_ready`."""

    def __init__(
        self,
        *,
        engine: Engine,
        metrics: Metrics,
        answers: Answers,
        status: Callable[[], Mapping[str, Any]],
        failures: Callable[[], Mapping[str, str]] = dict,
        remote_cameras: RemoteCameras | None = None,
    ) -> None:
        """
        Args:
            failures: Name and error of each background task that fails now.
        """
        self._remote_cameras = remote_cameras
        self._metrics = metrics
        self._answers = answers
        self._status = status
        self._failures = failures
        self._ready = False
        self._app = web.Application(
            client_max_size=SYNC_PAYLOAD_LIMIT + 1024, middlewares=[_loopback_only]
        )
        self._app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/ready", self._readiness),
                web.get("/status", self._report),
                web.get("/metrics", self._render_metrics),
                web.put(f"{PATH}/{{token}}", self._answer),
            ]
        )
        if remote_cameras is not None:
            self._app.add_routes([web.post(CAMERAS, self._exchange_cameras)])
        add_invoke_routes(self._app, engine)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, port: int, host: str = "127.0.0.1") -> None:
        """Listen; port 0 takes a free one. Raises OSError when it is taken."""
        listener = socket.create_server((host, port), backlog=256)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # As Lambda does, a payload is taken as it is sent.
        self._runner = web.AppRunner(
            self._app, access_log=None, auto_decompress=False, shutdown_timeout=1
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def set_ready(self, ready: bool) -> None:
        self._ready = ready

    def health(self) -> tuple[int, Mapping[str, Any]]:
        """Status and body for anybody: 503 while a background task of the runtime fails."""
        return (503, {"status": "failing"}) if self._failures() else (200, {"status": "ok"})

    def readiness(self) -> tuple[int, Mapping[str, Any]]:
        """Status and body: whether requests and messages are worked on."""
        return 200 if self._ready else 503, {"ready": self._ready}

    async def _health(self, _: web.Request) -> web.Response:
        status, body = self.health()
        details = {} if status == 200 else {"failing": dict(self._failures())}
        return web.json_response({**body, **details}, status=status)

    async def _readiness(self, _: web.Request) -> web.Response:
        status, body = self.readiness()
        return web.json_response(body, status=status)

    async def _report(self, _: web.Request) -> web.Response:
        body = json.dumps({"ready": self._ready, **self._status()}, default=str)
        return web.Response(text=body, content_type="application/json")

    async def _render_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": _PLAIN_TEXT})

    async def _answer(self, request: web.Request) -> web.Response:
        taken = self._answers.take(request.match_info["token"], await request.read())
        return web.Response(status=200 if taken else 404)

    async def _exchange_cameras(self, request: web.Request) -> web.Response:
        if self._remote_cameras is None or not await is_address_of(SERVICE, request.remote or ""):
            return web.json_response({"message": f"Forbidden: it is for {SERVICE}"}, status=403)
        try:
            answer = await self._remote_cameras.exchange(await request.json())
        except (ValueError, AttributeError) as error:
            return web.json_response({"message": f"bad report: {error}"}, status=400)
        return web.json_response(answer)


@web.middleware
async def _loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    if is_loopback(request.remote or ""):
        reason = refusal(request.headers)
    elif request.path in ("/metrics", CAMERAS) or request.path.startswith(f"{PATH}/"):
        reason = CROSS_SITE if is_cross_site(request.headers) else None
    else:
        reason = "it is for programs of this machine"
    if reason is not None:
        return web.json_response({"message": f"Forbidden: {reason}"}, status=403)
    try:
        return await handler(request)
    except (web.RequestPayloadError, ConnectionError) as error:  # bad chunks, or cut off
        message = f"The body is malformed: {error}"
        return web.json_response({"message": message[:500]}, status=400)
