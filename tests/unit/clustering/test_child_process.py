"""Work in a process of its own ends when its time is over, and takes nothing along."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from functions.clustering.child_process import ReportProgress, run_in_child_process
from hearth.errors import Conflict, InvalidInput, ModelFailed, TimedOut


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_a_result_is_returned_completely() -> None:
    large = os.urandom(3_000_000)
    assert run_in_child_process(lambda _: [b"", large], 10, "it") == [b"", large]


def test_an_error_keeps_its_type_and_details() -> None:
    def fail(_: ReportProgress) -> list[bytes]:
        raise InvalidInput("row 3 is wrong", details=[{"field": "data[3]", "message": "wrong"}])

    with pytest.raises(InvalidInput, match="row 3 is wrong") as caught:
        run_in_child_process(fail, 10, "it")
    assert caught.value.details == ({"field": "data[3]", "message": "wrong"},)


def test_work_over_its_time_limit_is_killed() -> None:
    before = children()
    began = time.monotonic()
    with pytest.raises(TimedOut, match=r"kmeans took longer than 0\.2 s and was ended"):
        run_in_child_process(lambda _: time.sleep(60) or [], 0.2, "kmeans")  # type: ignore[func-returns-value]
    assert time.monotonic() - began < 10
    assert children() == before


def test_a_child_that_dies_is_a_failure_and_does_not_affect_the_parent() -> None:
    def die(_: ReportProgress) -> list[bytes]:
        os.kill(os.getpid(), signal.SIGKILL)
        return []

    with pytest.raises(ModelFailed, match=r"kmeans died \(signal 9\)"):
        run_in_child_process(die, 10, "kmeans")


def test_a_bug_is_logged_and_reported_by_its_type_alone() -> None:
    with pytest.raises(ModelFailed, match=r"^kmeans crashed with ZeroDivisionError; see the log"):
        run_in_child_process(lambda _: [bytes(1 // 0)], 10, "kmeans")


def test_the_watcher_receives_stages_and_can_end_the_work_within_one() -> None:
    heard: list[tuple[str, float]] = []

    def work(tell: ReportProgress) -> list[bytes]:
        tell("first", 0.1)
        tell("second", 0.5)
        time.sleep(60)
        return []

    def watch(stage: str, done: float) -> None:
        heard.append((stage, done))
        if len(heard) == 4:
            raise Conflict("stop")

    before = children()
    with pytest.raises(Conflict, match="stop"):
        run_in_child_process(work, 50, "it", watch)
    assert heard == [("first", 0.1), ("second", 0.5), ("second", 0.5), ("second", 0.5)]
    assert children() == before


def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"

    def work(_: ReportProgress) -> list[bytes]:
        told.write_text(str(os.getpid()))
        time.sleep(60)
        return []

    parent = os.fork()
    if parent == 0:
        run_in_child_process(work, 60, "it")
    while not told.exists() or not told.read_text():
        time.sleep(0.02)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    child = Path(f"/proc/{told.read_text()}/stat")
    for _ in range(200):
        if not child.exists() or " Z " in child.read_text():
            return
        time.sleep(0.02)
    raise AssertionError("the child goes on")
