"""Watcher processes of cameras: started, restarted, stopped, and never in anybody's way."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hearth_runtime.cameras.model import Camera, parse_camera
from hearth_runtime.cameras.supervisor import CameraSupervisor
from tests.contract.cameras.conftest import World, command_lines, until

Film = Callable[..., Path]
SECRET = "s3cret-horse"


def now(supervisor: CameraSupervisor, name: str) -> dict[str, Any]:
    return next(one for one in supervisor.status() if one["name"] == name)


def is_in(supervisor: CameraSupervisor, name: str, state: str) -> Callable[[], bool]:
    return lambda: now(supervisor, name)["state"] == state


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


class _Snapshots(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        shade = self.server.asked = getattr(self.server, "asked", 0) + 1  # type: ignore[attr-defined]
        image = np.full((120, 160, 3), (shade * 40) % 256, np.uint8)
        body = cv2.imencode(".jpg", image)[1].tobytes()
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def live_camera() -> Iterator[str]:
    """An HTTP camera that shows another image whenever it is asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Snapshots)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}/image.jpg"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_film_is_watched_to_its_end_and_a_broken_camera_does_not_hinder_it(
    world: World, film: Film
) -> None:
    async def run() -> None:
        supervisor = world.supervisor()
        good = Camera("gate", str(film()), rate=5.0)
        supervisor.apply([good, Camera("yard", str(world.data / "missing.mp4"))])
        await until(is_in(supervisor, "gate", "stopped"))
        await until(is_in(supervisor, "yard", "waiting"))
        assert now(supervisor, "gate")["reason"] == "the source has ended"
        broken = now(supervisor, "yard")
        assert "does not exist" in broken["reason"]
        assert broken["retry_in_s"] is not None
        assert broken["last_image_age_s"] is None
        await supervisor.stop()

    asyncio.run(run())
    assert len(world.frames("gate")) >= 5
    assert world.frames("yard") == []
    assert (world.data / "cameras/gate.log").is_file()
    assert (world.data / "spool/gate").is_dir()


def test_a_source_that_appears_later_is_watched_then(world: World, film: Film) -> None:
    async def run() -> None:
        supervisor = world.supervisor()
        path = film("later.mp4")
        hidden = path.rename(path.with_suffix(".hidden"))
        supervisor.apply([Camera("gate", str(path))])
        await until(lambda: now(supervisor, "gate")["restarts"] >= 2)
        hidden.rename(path)
        await until(is_in(supervisor, "gate", "stopped"))
        await supervisor.stop()

    asyncio.run(run())
    assert world.frames("gate")


def test_a_killed_watcher_is_started_again(world: World) -> None:
    async def run(address: str) -> None:
        supervisor = world.supervisor()
        supervisor.apply([Camera("gate", f"http://{address}", rate=5.0)])
        await until(is_in(supervisor, "gate", "running"))
        assert now(supervisor, "gate")["last_image_age_s"] < 5
        first = now(supervisor, "gate")["pid"]
        os.kill(first, signal.SIGKILL)
        await until(is_in(supervisor, "gate", "waiting"))
        assert now(supervisor, "gate")["reason"] == "its process was ended by SIGKILL"
        await until(is_in(supervisor, "gate", "running"))
        assert now(supervisor, "gate")["pid"] != first
        assert now(supervisor, "gate")["restarts"] == 1
        second = now(supervisor, "gate")["pid"]
        await supervisor.stop()
        assert not is_alive(second)

    with live_camera() as address:
        asyncio.run(run(address))


def test_a_password_is_in_no_command_line_environment_log_or_status(world: World) -> None:
    async def run(address: str) -> None:
        supervisor = world.supervisor()
        supervisor.apply(
            [
                Camera("gate", f"http://admin:{SECRET}@{address}?token={SECRET}", rate=5.0),
                Camera("yard", f"http://admin:{SECRET}@127.0.0.1:1/a?token={SECRET}"),
                Camera("shed", f"rtsp://admin:{SECRET}@127.0.0.1:1/a"),
                Camera("barn", f"nonsense://admin:{SECRET}@127.0.0.1:1/a"),
                Camera("dock", f"http://admin:{SECRET}/@[malformed"),
            ]
        )
        await until(is_in(supervisor, "gate", "running"))
        for name in ("yard", "shed", "barn", "dock"):
            await until(is_in(supervisor, name, "waiting"))
        assert SECRET not in command_lines()
        assert SECRET not in repr(supervisor.status())
        assert now(supervisor, "gate")["source"] == f"http://{address}"
        await supervisor.stop()

    with live_camera() as address:
        asyncio.run(run(address))
    assert SECRET not in world.written()


def test_only_what_has_changed_is_restarted(world: World) -> None:
    async def run(address: str) -> None:
        supervisor = world.supervisor()
        one, two = (Camera(name, f"http://{address}", rate=5.0) for name in ("one", "two"))
        supervisor.apply([one, two])
        for name in ("one", "two"):
            await until(is_in(supervisor, name, "running"))
        before = {name: now(supervisor, name)["pid"] for name in ("one", "two")}
        supervisor.apply([one, Camera("two", f"http://{address}", rate=2.0)])
        await until(lambda: now(supervisor, "two")["pid"] not in (None, before["two"]))
        await until(is_in(supervisor, "two", "running"))
        assert now(supervisor, "one")["pid"] == before["one"]
        supervisor.apply([Camera("one", f"http://{address}", enabled=False)])
        assert [(c["name"], c["state"]) for c in supervisor.status()] == [("one", "stopped")]
        await supervisor.stop()
        assert not any(map(is_alive, before.values()))

    with live_camera() as address:
        asyncio.run(run(address))


def test_a_camera_that_goes_away_is_waited_for_with_the_reason(world: World) -> None:
    async def run() -> None:
        supervisor = world.supervisor()
        with live_camera() as address:
            supervisor.apply([Camera("gate", f"http://{address}", rate=5.0)])
            await until(is_in(supervisor, "gate", "running"))
        await until(is_in(supervisor, "gate", "waiting"))
        assert "cannot be reached" in now(supervisor, "gate")["reason"]
        assert now(supervisor, "gate")["restarts"] == 0  # the watcher itself connects again
        await supervisor.stop()

    asyncio.run(run())


def test_a_camera_that_another_watcher_has_is_waited_for(world: World) -> None:
    async def run(address: str) -> None:
        first, second = world.supervisor(), world.supervisor()
        first.apply([Camera("gate", f"http://{address}", rate=5.0)])
        await until(is_in(first, "gate", "running"))
        second.apply([Camera("gate", f"http://{address}", rate=5.0)])
        await until(is_in(second, "gate", "waiting"))
        assert "Another `hearth watch`" in now(second, "gate")["reason"]
        await first.stop()
        await until(is_in(second, "gate", "running"))
        await second.stop()

    with live_camera() as address:
        asyncio.run(run(address))


@pytest.mark.parametrize("rate", [0, -1, 1001, "5", True])
def test_a_wrong_rate_is_a_state_and_starts_no_process(world: World, rate: object) -> None:
    async def run() -> None:
        supervisor = world.supervisor()
        supervisor.apply([parse_camera({"name": "gate", "source": "0", "rate": rate})])
        found = now(supervisor, "gate")
        assert found["state"] == "stopped"
        assert found["reason"] == "rate must be 0.001 to 1000 frames a second"
        assert found["pid"] is None
        await supervisor.stop()

    asyncio.run(run())


class _Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked = getattr(self.server, "asked", 0) + 1  # type: ignore[attr-defined]
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


def test_a_refused_password_is_not_tried_again_for_minutes(world: World) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    async def run() -> None:
        supervisor = world.supervisor()
        supervisor.apply([Camera("gate", f"http://ana:{SECRET}@127.0.0.1:{server.server_port}/x")])
        await until(is_in(supervisor, "gate", "waiting"))
        waiting = now(supervisor, "gate")
        assert "answers 401" in waiting["reason"]
        assert SECRET not in waiting["reason"]
        assert waiting["retry_in_s"] > 250
        await supervisor.stop()

    asyncio.run(run())
    server.shutdown()
    server.server_close()
    thread.join()
    assert server.asked == 2  # type: ignore[attr-defined]  # without it, and once with it
