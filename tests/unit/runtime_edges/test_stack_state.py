"""The lock and the state file: who runs, and that a dead runtime is seen as dead."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from hearth_runtime.stack_state import (
    AlreadyRunning,
    StackLock,
    StackState,
    read_state,
    write_state,
)


def state(pid: int) -> StackState:
    return StackState(
        pid=pid,
        started_at="2026-11-21T12:00:00Z",
        gateway_url="http://g",
        control_url="http://c",
        endpoint_url="http://e",
        bucket="b",
        queues={"Q": "http://q"},
        stack="hearth",
        log_path="/log",
    )


def test_an_empty_directory_has_no_stack(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    assert read_state(tmp_path / "missing") is None


def test_only_its_owner_reads_a_stack_s_data(tmp_path: Path) -> None:
    with StackLock(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_a_running_stack_is_found_and_gone_after_its_end(tmp_path: Path) -> None:
    with StackLock(tmp_path):
        assert read_state(tmp_path) is None, "not ready yet"
        write_state(tmp_path, state(os.getpid()))
        assert read_state(tmp_path) == state(os.getpid())
    assert read_state(tmp_path) is None


def test_a_second_runtime_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with StackLock(tmp_path), pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
        StackLock(tmp_path).__enter__()
    with StackLock(tmp_path):
        pass


def _hold(data: Path, ready: Connection) -> None:
    with StackLock(data):
        write_state(data, state(os.getpid()))
        ready.send(True)
        signal.pause()


def test_a_killed_runtime_leaves_a_state_that_nobody_believes(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path, theirs))
    holder.start()
    assert ours.recv()
    found = read_state(tmp_path)
    assert found is not None
    assert found.pid == holder.pid
    holder.kill()
    holder.join()
    assert (tmp_path / "runtime.json").exists()
    assert read_state(tmp_path) is None
    with StackLock(tmp_path):
        assert not (tmp_path / "runtime.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": 1}'])
def test_a_damaged_state_is_no_stack(tmp_path: Path, content: str) -> None:
    with StackLock(tmp_path):
        (tmp_path / "runtime.json").write_text(content)
        assert read_state(tmp_path) is None


def test_a_state_of_another_version_is_no_stack(tmp_path: Path) -> None:
    with StackLock(tmp_path):
        (tmp_path / "runtime.json").write_text(f'{{"pid": {os.getpid()}, "colour": "red"}}')
        assert read_state(tmp_path) is None
