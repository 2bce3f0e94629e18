"""When camera rows are read, and what becomes of an answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from hearth_runtime.cameras.model import Camera
from hearth_runtime.cameras.rows import FUNCTION, CameraRows
from hearth_runtime.cameras.service import Cameras, RemoteCameras
from hearth_runtime.engine.functions import EngineStopping, InvokeResult
from hearth_runtime.observe.logs import LogStream


class FakeEngine:
    """Answers with the next of its answers, and then with the last one again."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.reads = 0
        self.recycled: list[str] = []

    async def invoke(self, function: str, payload: bytes) -> InvokeResult:
        assert (function, payload) == (FUNCTION, b"{}")
        answer = self.answers[min(self.reads, len(self.answers) - 1)]
        self.reads += 1
        if isinstance(answer, Exception):
            raise answer
        failed = "Unhandled" if isinstance(answer, dict) and "errorType" in answer else None
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return InvokeResult("1", body, failed, b"", 1.0, cold=False)

    def recycle(self, functions: Iterable[str]) -> None:
        self.recycled += functions


def camera(name: str) -> dict[str, object]:
    return {"name": name, "source": "0"}


def reading(engine: FakeEngine, **options: object) -> tuple[CameraRows, list[list[str]]]:
    applied: list[list[str]] = []

    def apply(cameras: Sequence[Camera]) -> None:
        applied.append([one.name for one in cameras])

    return CameraRows(engine, LogStream(), apply, **options), applied  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.01)


def test_rows_are_read_at_the_start_and_after_a_write_and_nothing_stays_awake() -> None:
    async def run() -> None:
        engine = FakeEngine({"cameras": [camera("a")]}, {"cameras": [camera("a"), camera("b")]})
        rows, applied = reading(engine)
        reading_rows = asyncio.create_task(rows.run())
        await until(lambda: applied == [["a"]])
        rows.note_write("/api/v1/tasks")
        rows.note_write("/api/v1/camerasque")
        await asyncio.sleep(0.2)
        assert engine.reads == 1
        for path in ("/api/v1/cameras", "/api/v1/cameras/01", "/api/v1/cameras/bulk"):
            rows.note_write(path)
        await until(lambda: applied == [["a"], ["a", "b"]])
        assert engine.reads == 2
        assert engine.recycled == [FUNCTION] * 2
        reading_rows.cancel()

    asyncio.run(run())


def test_rows_are_read_seldom_otherwise() -> None:
    async def run() -> None:
        engine = FakeEngine({"cameras": []})
        rows, applied = reading(engine, interval_s=0.05)
        reading_rows = asyncio.create_task(rows.run())
        await until(lambda: len(applied) >= 3)
        reading_rows.cancel()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (EngineStopping("the runtime is stopping"), "the runtime is stopping"),
        ({"errorType": "OperationalError", "errorMessage": "locked"}, "OperationalError: locked"),
        (b"no JSON", "answered something else"),
        ({"cameras": None}, "answered something else"),
        ([], "answered something else"),
    ],
)
def test_what_cannot_be_read_is_tried_again_and_the_cameras_go_on(
    answer: object, error: str
) -> None:
    async def run() -> None:
        engine = FakeEngine(answer, {"cameras": [camera("a")]})
        rows, applied = reading(engine, retry_s=(0.05, 1.0))
        reading_rows = asyncio.create_task(rows.run())
        await until(lambda: rows.error is not None)
        assert error in (rows.error or "")
        await until(lambda: applied == [["a"]])
        assert rows.error is None
        reading_rows.cancel()

    asyncio.run(run())


def test_a_row_without_a_name_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    async def run() -> None:
        engine = FakeEngine({"cameras": [{"name": "../x", "source": "0"}, camera("a")]})
        rows, applied = reading(engine)
        reading_rows = asyncio.create_task(rows.run())
        await until(lambda: applied == [["a"]])
        reading_rows.cancel()

    asyncio.run(run())


def test_another_container_fetches_cameras_and_reports_their_states() -> None:
    async def run() -> None:
        remote = RemoteCameras()
        cameras = Cameras(FakeEngine({"cameras": [camera("a")]}), LogStream(), remote)
        assert await remote.exchange({"version": None, "cameras": []}, hold_s=0.01) == {
            "version": None,
            "cameras": [],
        }
        waiting = asyncio.create_task(remote.exchange({"version": None, "cameras": []}))
        await asyncio.sleep(0.01)
        reading_rows = asyncio.create_task(cameras.run())
        answer = await waiting
        assert [one["name"] for one in answer["cameras"]] == ["a"]
        state = {"name": "a", "state": "running"}
        again = await remote.exchange(
            {"version": answer["version"], "cameras": [state]}, hold_s=0.01
        )
        assert again == answer
        assert cameras.status() == {"cameras": [state], "cameras_error": None}
        remote.apply([Camera("b", "0")])
        newer = await remote.exchange({"version": answer["version"], "cameras": []}, hold_s=5)
        assert newer["version"] != answer["version"]
        reading_rows.cancel()
        await cameras.stop()

    asyncio.run(run())


def test_a_container_that_does_not_report_is_told_of_in_the_status() -> None:
    async def run() -> None:
        remote = RemoteCameras()
        remote.apply([Camera("a", "rtsp://u:secret@cam/a")])
        [found] = remote.status()
        assert (found["name"], found["source"], found["state"]) == ("a", "rtsp://cam/a", "stopped")
        assert "does not report" in found["reason"]

    asyncio.run(run())


@pytest.mark.parametrize("report", [{}, {"cameras": 5}, {"cameras": [5]}])
def test_a_report_of_another_shape_is_refused(report: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be a list"):
        asyncio.run(RemoteCameras().exchange(report))
