"""The cameras of one stack: rows in, watchers supervised, states out.

    hearth up                CameraRows → CameraSupervisor, in the runtime's process
    Docker Compose           CameraRows → RemoteCameras ⇄ HTTP ⇄ `supervise` in a service of its own

Under Compose strangers' images are decoded in a container of their own, which sees neither the
database nor the functions' secrets.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hearth_runtime.observe.logs import LogStream
from hearth_runtime.watch.addresses import public_source

from .model import Camera
from .rows import CameraRows, Engine
from .supervisor import CameraSupervisor, Destination

SERVICE = "cameras"  # of compose.yaml
HOLD_S = 10.0  # how long a request of that service waits for a change
_SILENT_AFTER_S = 3 * HOLD_S


class Watching(Protocol):
    """What takes cameras and knows how they are."""

    def apply(self, cameras: Sequence[Camera]) -> None: ...
    def status(self) -> list[dict[str, Any]]: ...
    async def stop(self) -> None: ...


class Cameras:
    """Reads rows, has them watched, and reports."""

    def __init__(self, engine: Engine, logs: LogStream, watching: Watching) -> None:
        self._watching = watching
        self._rows = CameraRows(engine, logs, watching.apply)
        self.note_write = self._rows.note_write
        self.run = self._rows.run

    async def stop(self) -> None:
        """End the watchers; `run` has ended before."""
        await self._watching.stop()

    def status(self) -> dict[str, Any]:
        """For /status: the cameras, and why their rows cannot be read, where they cannot."""
        return {"cameras": self._watching.status(), "cameras_error": self._rows.error}


class RemoteCameras:
    """Cameras that the service of Compose watches: it fetches them and reports their states."""

    def __init__(self) -> None:
        self._boot = uuid.uuid4().hex
        self._number = 0
        self._cameras: list[Camera] = []
        self._changed = asyncio.Condition()
        self._states: list[dict[str, Any]] = []
        self._reported_at: float | None = None
        self._waking: asyncio.Task[None] | None = None

    @property
    def version(self) -> str:
        return f"{self._boot}-{self._number}"

    def apply(self, cameras: Sequence[Camera]) -> None:
        if list(cameras) != self._cameras or self._number == 0:
            self._cameras = list(cameras)
            self._number += 1
            self._waking = asyncio.create_task(self._wake())

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def status(self) -> list[dict[str, Any]]:
        if self._reported_at and time.monotonic() - self._reported_at < _SILENT_AFTER_S:
            return self._states
        reason = f"the service {SERVICE} does not report; see `docker compose ps`"
        return [
            {
                "name": camera.name,
                "source": public_source(camera.source),
                "enabled": camera.enabled,
                "state": "stopped",
                "reason": reason,
            }
            for camera in self._cameras
        ]

    async def stop(self) -> None:
        """Nothing to end: the watchers are the service's."""

    async def exchange(self, report: Mapping[str, Any], hold_s: float = HOLD_S) -> dict[str, Any]:
        """Take the states, and answer with the cameras once they differ from what is known.

        Args:
            report: `version` of the cameras that are known, and their states as `cameras`.
            hold_s: Seconds after which the answer is the same cameras again.

        Raises:
            ValueError: The report has another shape.
        """
        states = report.get("cameras")
        if not (isinstance(states, list) and all(isinstance(one, dict) for one in states)):
            raise ValueError("cameras must be a list of objects")
        self._states, self._reported_at = states, time.monotonic()
        known = report.get("version")
        try:
            async with asyncio.timeout(hold_s), self._changed:
                await self._changed.wait_for(lambda: self._number > 0 and known != self.version)
        except TimeoutError:
            pass
        if self._number == 0:
            return {"version": None, "cameras": []}
        return {
            "version": self.version,
            "cameras": [camera.as_dict() for camera in self._cameras],
        }


def cameras_of(
    engine: Engine, logs: LogStream, destination: Destination, *, remote: RemoteCameras | None
) -> Cameras:
    """The cameras of a stack, watched by this process unless `remote` takes them."""
    return Cameras(engine, logs, remote or CameraSupervisor(destination, logs))
