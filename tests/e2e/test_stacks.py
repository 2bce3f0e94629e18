"""Stacks as a person handles them: up, status, logs, down; two of them; one data folder each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hearth_runtime.stack_state import read_state
from tests.e2e.driver import HEARTH, Stack, hearth, person, policy_file, processes_of, stack, until


@pytest.fixture
def detached(tmp_path: Path) -> Iterator[Path]:
    """The data folder of a stack that `hearth up --detach` left running."""
    data = tmp_path / "data"
    done = hearth("up", "--detach", "--json", data=data)
    try:
        assert done.code == 0, done.err
        assert json.loads(done.out)["event"] == "ready"
        yield data
    finally:
        state = read_state(data)
        if state is not None:
            os.kill(state.pid, signal.SIGKILL)
            until(lambda: not processes_of(data), 5)


def test_a_detached_stack_answers_status_works_and_stops(detached: Path) -> None:
    status = hearth("status", "--json", data=detached).json()
    assert status["status"]["ready"] is True
    names = {function["short_name"] for function in status["status"]["functions"]}
    assert {"detection", "reports", "sweep", "jobs"} <= names
    assert "is ready" in hearth("status", data=detached).out

    swept = hearth("invoke", "sweep", "--json", data=detached).json()
    assert (swept["status"], swept["function_error"]) == (200, None)
    assert swept["payload"]["found"] == 0
    unknown = hearth("invoke", "nobody", data=detached)
    assert unknown.code == 1
    assert "nobody was not called" in unknown.err

    logs = hearth("logs", "--json", "--lines", "200", data=detached).out.splitlines()
    messages = [json.loads(line)["message"] for line in logs]
    assert "stack is ready" in messages
    assert "swept" in messages

    second = hearth("up", data=detached)
    assert second.code == 2
    assert f"A stack is already running on {detached} (process {status['pid']})" in second.err
    assert "hearth down" in second.err
    run = hearth("run", data=detached)
    assert run.code == 2
    assert "already running" in run.err

    down = hearth("down", "--json", data=detached).json()
    assert down == {"stopped": True, "pid": status["pid"]}
    assert processes_of(detached) == []
    assert hearth("status", data=detached).code == 2
    assert hearth("down", data=detached).code == 0


@pytest.mark.slow
def test_two_stacks_run_side_by_side_and_share_nothing(
    shared_stack: Stack, camera: str, tmp_path: Path
) -> None:
    policy = policy_file(tmp_path / "policy.yaml", [camera])
    with stack(tmp_path / "data", "--stack", "cabin", "--policy", policy) as other:
        mine, theirs = shared_stack.state, other.state
        for name in ("pid", "gateway_url", "control_url", "endpoint_url", "bucket", "log_path"):
            assert getattr(mine, name) != getattr(theirs, name), name
        other.settle(other.put_frames(camera, [person()] * 3))
        assert len(other.incidents(camera)) == 1
        assert shared_stack.incidents(camera) == []
        assert shared_stack.of_camera(camera) == {}
        shared_stack.settle(shared_stack.put_frames(camera, [person()] * 3))
        # The bucket's name is drawn on no image, and the id derives from what was seen.
        [one], [two] = shared_stack.incidents(camera), other.incidents(camera)
        assert one["incident_id"] == two["incident_id"]
        assert one["evidence"]["sha256"] == two["evidence"]["sha256"]


def test_an_interrupted_run_stops_its_stack(tmp_path: Path) -> None:
    """Ctrl-C at `hearth run --serve`."""
    data = tmp_path / "data"
    folder = tmp_path / "gate"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(person())
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [*HEARTH, "run", str(folder), "--serve", "--data", str(data)], stdout=said, stderr=said
        )
        try:
            output = tmp_path / "said"
            until(lambda: "stays up" in output.read_text() or process.poll() is not None, 60)
            assert process.poll() is None, output.read_text()
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert process.wait(20) == 0
            assert time.monotonic() - began < 10
        finally:
            process.kill()
            process.wait()
    assert processes_of(data) == []
