"""The control server's health: a background task that fails is never a 200."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from hearth_runtime.http.control import ControlServer
from hearth_runtime.observe.metrics import Metrics
from hearth_runtime.sources.custom_resources import Answers


def test_health_names_what_fails_now() -> None:
    failing: dict[str, str] = {}

    async def ask(url: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/health") as response:
            return response.status, await response.json()

    async def scenario() -> None:
        server = ControlServer(
            engine=None,  # type: ignore[arg-type]
            metrics=Metrics(),
            answers=Answers(),
            status=dict,
            failures=lambda: failing,
        )
        await server.start(0)
        try:
            assert await ask(server.url) == (200, {"status": "ok"})
            failing["metrics"] = "OSError: no space"
            answer = {"status": "failing", "failing": {"metrics": "OSError: no space"}}
            assert await ask(server.url) == (503, answer)
        finally:
            await server.stop()

    asyncio.run(scenario())
