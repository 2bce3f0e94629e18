"""Reads the camera rows, with their secrets, from the function of the template that has them.

The function is invoked as any Lambda is: it has no route, so no HTTP client can ask it. It is read
when the stack starts, after a write has passed the gateway, and seldom otherwise, and its process
ends after each answer: nothing stays awake for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from hearth_runtime.engine.functions import InvokeResult, RuntimeRefusal
from hearth_runtime.observe.logs import LogStream

from .model import Camera, InvalidCamera, parse_camera

FUNCTION = "detection-cameras"
ROUTES = "/api/v1/cameras"
INTERVAL_S = 3600.0  # for what was written past the gateway
SETTLE_S = 0.1  # several writes in a row are read once
_RETRY_S = (2.0, 300.0)


class Engine(Protocol):
    """What reading needs of the engine."""

    async def invoke(self, function: str, payload: bytes) -> InvokeResult: ...
    def recycle(self, functions: Iterable[str]) -> None: ...


class CameraRows:
    """Hands the cameras to `apply` whenever they may have changed."""

    def __init__(
        self,
        engine: Engine,
        logs: LogStream,
        apply: Callable[[Sequence[Camera]], None],
        *,
        interval_s: float = INTERVAL_S,
        retry_s: tuple[float, float] = _RETRY_S,
    ) -> None:
        self._engine = engine
        self._logs = logs
        self._apply = apply
        self._interval_s = interval_s
        self._retry_s = retry_s
        self._written = asyncio.Event()
        self.error: str | None = None

    def note_write(self, path: str) -> None:
        """A request that changes something has passed the gateway."""
        if path == ROUTES or path.startswith(f"{ROUTES}/"):
            self._written.set()

    async def run(self) -> None:
        """Read at the start, after each write and once an interval, until cancelled."""
        retry = self._retry_s[0]
        while True:
            self._written.clear()
            try:
                cameras = await self._read()
            except _ReadFailed as error:
                self._logs.write("ERROR", f"cameras cannot be read: {error}", next_try_in_s=retry)
                self.error, pause = str(error), retry
                retry = min(2 * retry, self._retry_s[1])
            else:
                self._apply(cameras)
                self.error, pause = None, self._interval_s
                retry = self._retry_s[0]
            try:
                async with asyncio.timeout(pause):
                    await self._written.wait()
                await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                continue

    async def _read(self) -> list[Camera]:
        try:
            result = await self._engine.invoke(FUNCTION, b"{}")
            self._engine.recycle([FUNCTION])
        except RuntimeRefusal as error:
            raise _ReadFailed(str(error)) from error
        try:
            answer: Any = json.loads(result.payload)
            if result.function_error is not None:
                raise _ReadFailed(f"{answer['errorType']}: {answer['errorMessage']}")
            rows = list(answer["cameras"])
        except (ValueError, KeyError, TypeError) as error:
            raise _ReadFailed(f"{FUNCTION} answered something else than cameras") from error
        return list(self._parsed(rows))

    def _parsed(self, rows: Iterable[Any]) -> Iterable[Camera]:
        for row in rows:
            try:
                yield parse_camera(row)
            except InvalidCamera as error:
                self._logs.write("ERROR", f"a camera is left out: {error}")


class _ReadFailed(Exception):
    """The rows could not be read now; the message is for a person and holds no secret."""
