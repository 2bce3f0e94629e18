"""`hearth cameras supervise`: the watchers of a stack that runs in another container."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import aiohttp

from hearth_runtime.observe.logs import LogStream

from .model import Camera, InvalidCamera, parse_camera
from .service import HOLD_S
from .supervisor import CameraSupervisor

_RETRY_S = 2.0


def cameras_of_environment(text: str) -> Iterator[Camera]:
    """The cameras that `CAMERAS` names: NAME=SOURCE, separated by blanks.

    Raises:
        InvalidCamera: One of them is not NAME=SOURCE.
    """
    for number, pair in enumerate(text.split(), start=1):
        name, equals, source = pair.partition("=")
        if not (equals and source) or ":" in name:
            # Not quoted: it may hold a password.
            raise InvalidCamera(f"camera {number} of CAMERAS must be NAME=SOURCE")
        yield parse_camera({"name": name, "source": source})


async def supervise(
    runtime_url: str,
    supervisor: CameraSupervisor,
    logs: LogStream,
    *,
    fixed: Iterable[Camera],
    stop: asyncio.Event,
) -> None:
    """Watch the fixed cameras and those of the stack until `stop` is set.

    A stack that does not answer changes nothing: the watchers go on and their frames wait on disk.
    """
    by_name = {camera.name: camera for camera in fixed}
    supervisor.apply(by_name.values())
    stopping = asyncio.create_task(stop.wait())
    following = asyncio.create_task(_follow(runtime_url, supervisor, logs, by_name))
    try:
        await asyncio.wait((stopping, following), return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            following.result()
    finally:
        for task in (stopping, following):
            task.cancel()
        await asyncio.gather(stopping, following, return_exceptions=True)
        await supervisor.stop()


async def _follow(
    runtime_url: str, supervisor: CameraSupervisor, logs: LogStream, fixed: dict[str, Camera]
) -> None:
    version: str | None = None
    reachable = True
    timeout = aiohttp.ClientTimeout(total=3 * HOLD_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            report = {"version": version, "cameras": supervisor.status()}
            try:
                async with session.post(f"{runtime_url}/cameras", json=report) as response:
                    response.raise_for_status()
                    answer: dict[str, Any] = await response.json()
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                if reachable:
                    logs.write("WARNING", f"the runtime does not answer: {error or 'time-out'}")
                reachable = False
                await asyncio.sleep(_RETRY_S)
                continue
            if not reachable:
                logs.write("INFO", "the runtime answers again")
            reachable = True
            if answer["version"] not in (None, version):
                version = answer["version"]
                supervisor.apply([*_rows(answer["cameras"], fixed, logs), *fixed.values()])


def _rows(
    rows: Iterable[dict[str, Any]], fixed: dict[str, Camera], logs: LogStream
) -> Iterator[Camera]:
    for row in rows:
        with contextlib.suppress(InvalidCamera):  # the runtime has parsed it already
            camera = parse_camera(row)
            if camera.name in fixed:
                logs.write("WARNING", f"camera {camera.name} of the stack is also in CAMERAS")
                continue
            yield camera
