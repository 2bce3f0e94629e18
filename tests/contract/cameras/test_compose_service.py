"""The service `cameras` of Compose: it asks the runtime what to watch, over HTTP."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hearth_runtime.cameras.model import Camera
from hearth_runtime.cameras.remote import supervise
from hearth_runtime.cameras.service import RemoteCameras
from hearth_runtime.engine.engine import Engine
from hearth_runtime.http.control import ControlServer
from hearth_runtime.observe.metrics import Metrics
from hearth_runtime.sources.custom_resources import Answers
from tests.contract.cameras.conftest import World, until


class NoEngine:
    """The routes of functions are not asked here."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def control(remote: RemoteCameras) -> ControlServer:
    def status() -> Mapping[str, Any]:
        return {"cameras": remote.status()}

    return ControlServer(
        engine=cast(Engine, NoEngine()),
        metrics=Metrics(),
        answers=Answers(),
        status=status,
        remote_cameras=remote,
    )


def states(cameras: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str | None]]:
    return {camera["name"]: (camera["state"], camera["reason"]) for camera in cameras}


def test_cameras_of_the_stack_and_of_the_environment_are_watched_and_reported(
    world: World, film: Callable[..., Path]
) -> None:
    ended = ("stopped", "the source has ended")

    async def run(gate: Path, yard: Path) -> None:
        remote, stop = RemoteCameras(), asyncio.Event()
        server = control(remote)
        await server.start(0)
        fixed = [Camera("yard", str(yard))]
        task = asyncio.create_task(
            supervise(server.url, world.supervisor(), world.logs, fixed=fixed, stop=stop)
        )
        # A row of the same name gives way to the camera of the environment.
        remote.apply([Camera("gate", str(gate)), Camera("yard", "/nowhere")])
        await until(lambda: states(remote.status()) == {"gate": ended, "yard": ended}, 40)
        port = int(server.url.rpartition(":")[2])
        await server.stop()  # the runtime is away for a moment
        remote.apply([Camera("gate", str(gate), enabled=False)])
        again = control(remote)
        await again.start(port)
        disabled = ("stopped", "it is disabled")
        await until(lambda: states(remote.status())["gate"] == disabled, 40)
        stop.set()
        await task
        await again.stop()

    asyncio.run(run(film("gate.mp4"), film("yard.mp4")))
    assert world.frames("gate")
    assert world.frames("yard")


def test_the_command_ends_in_order_when_there_is_no_runtime(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hearth_runtime", "cameras", "supervise"]
    options = [
        "--runtime-url=http://127.0.0.1:9",
        "--bucket=b",
        "--endpoint-url=http://127.0.0.1:9",
    ]
    process = subprocess.Popen(
        [*command, *options, f"--data={tmp_path}"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "the runtime does not answer" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")


def test_a_wrong_camera_of_the_environment_ends_the_command_unquoted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hearth_runtime", "cameras", "supervise"]
    options = [
        "--runtime-url=http://127.0.0.1:9",
        "--bucket=b",
        "--endpoint-url=http://127.0.0.1:9",
    ]
    done = subprocess.run(
        [*command, *options, f"--data={tmp_path}"],
        env={"CAMERAS": "rtsp://me:secret@cam", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "camera 1 of CAMERAS must be NAME=SOURCE" in done.stderr
    assert "secret" not in done.stderr
