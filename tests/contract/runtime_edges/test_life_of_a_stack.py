"""Starting and ending: order, refusals, and that no way of ending leaves a process behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from hearth_runtime.stack_state import read_state
from tests.contract.runtime_edges.conftest import Stack, until
from tests.contract.runtime_edges.http_client import request
from tests.support.stack_process import SMALL, small_stack, start, state_of, stop


def children(pid: int) -> set[int]:
    """Processes that descend from one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    todo = [pid]
    while todo:
        for child in parents.get(todo.pop(), []):
            found.add(child)
            todo.append(child)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def started(data: Path) -> tuple[subprocess.Popen[str], set[int]]:
    """A stack with MiniStack and a function running."""
    process = start(data)
    state = state_of(process)
    assert request(f"{state.gateway_url}/items/a").status == 200
    family = children(process.pid)
    assert len(family) >= 3, "MiniStack, the setup function and the API function"
    return process, family


def refusal(data: Path, **config: Any) -> str:
    """Why a stack does not start."""
    process = start(data, **config)
    assert process.stdout is not None
    with process.stdout:
        line = json.loads(process.stdout.readline())
    assert process.wait(20) == 2
    return str(line["error"])


def by_terminate(process: subprocess.Popen[str]) -> None:
    process.terminate()


def by_interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def by_kill(process: subprocess.Popen[str]) -> None:
    process.kill()


@pytest.mark.parametrize("end", [by_terminate, by_interrupt, by_kill])
def test_no_way_of_ending_leaves_a_process(
    tmp_path: Path, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    process, family = started(tmp_path)
    end(process)
    status = process.wait(15)
    if process.stdout is not None:
        process.stdout.close()
    assert status == (-signal.SIGKILL if end is by_kill else 0)
    until(lambda: not any(alive(pid) for pid in family), timeout_s=2)
    assert read_state(tmp_path) is None


def test_a_runtime_that_is_killed_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    process = start(tmp_path)
    until(lambda: children(process.pid))
    family = children(process.pid)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    until(lambda: not any(alive(pid) for pid in family), timeout_s=2)


def test_objects_outlive_a_kill_and_the_second_start_updates(tmp_path: Path) -> None:
    notes = {"Notes": str(tmp_path / "notes")}
    process = start(tmp_path, parameters=notes)
    first = Stack(state_of(process), tmp_path)
    first.client("s3").put_object(Bucket=first.state.bucket, Key="keep/me", Body=b"evidence")
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    with small_stack(tmp_path, parameters=notes) as state:
        second = Stack(state, tmp_path)
        body = second.client("s3").get_object(Bucket=state.bucket, Key="keep/me")["Body"].read()
    assert body == b"evidence"
    events = [json.loads(line) for line in (tmp_path / "notes.setup").read_text().splitlines()]
    assert [event["RequestType"] for event in events] == ["Create", "Update"]


def test_a_setup_that_fails_stops_the_start_with_its_reason(tmp_path: Path) -> None:
    message = refusal(tmp_path, parameters={"SetupFails": "true"})
    assert message.endswith("the schema is newer than this program")
    assert read_state(tmp_path) is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"template": "/nowhere/template.yaml"}, "Cannot read the template /nowhere"),
        ({"parameters": {"SetupFails": "maybe"}}, "Parameter SetupFails: 'maybe' is not one of"),
        ({"replicas": {"nobody": 2}}, "nobody"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    assert message in refusal(tmp_path, **config)


def test_routes_that_ask_nobody_are_not_opened_to_other_machines(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(SMALL.read_text().replace("DefaultAuthorizer: Tokens", ""))
    message = refusal(tmp_path / "data", template=str(template), host="0.0.0.0")
    assert message.startswith("Refusing to listen on 0.0.0.0: nobody asks who calls GET /items/{")


def test_a_second_stack_on_the_same_data_is_refused(stack: Stack) -> None:
    assert f"already running on {stack.data}" in refusal(stack.data)
    assert request(f"{stack.state.control_url}/ready").status == 200


def test_a_port_in_use_is_named(tmp_path: Path, stack: Stack) -> None:
    port = int(stack.state.gateway_url.rsplit(":", 1)[1])
    assert f"Cannot listen on port {port}" in refusal(tmp_path, port=port)


def test_two_stacks_run_side_by_side(stack: Stack, tmp_path: Path) -> None:
    with small_stack(tmp_path, stack="cabin", parameters={"Notes": str(tmp_path / "n")}) as other:
        assert {
            stack.state.gateway_url,
            stack.state.control_url,
            stack.state.endpoint_url,
        }.isdisjoint({other.gateway_url, other.control_url, other.endpoint_url})
        assert other.queues["Inbox"].endswith("/cabin-Inbox")
        both = [stack.state, other]
        replies = [request(f"{state.gateway_url}/items/a").status for state in both]
        assert replies == [200, 200]
        sqs = Stack(other, tmp_path).client("sqs")
        sqs.send_message(QueueUrl=other.queues["Inbox"], MessageBody="only here")
        until(lambda: (tmp_path / "n").exists())
    assert stack.seen("only here") == []


def test_after_a_crash_of_ministack_messages_flow_again(tmp_path: Path) -> None:
    with small_stack(tmp_path, parameters={"Notes": str(tmp_path / "notes")}) as state:
        stack = Stack(state, tmp_path)
        os.kill(stack.status()["emulator"]["pid"], signal.SIGKILL)
        until(lambda: stack.status()["emulator"]["restarts"] == 1)
        stack.client("sqs").send_message(
            QueueUrl=state.queues["Inbox"], MessageBody="after the crash"
        )
        until(lambda: stack.seen("after the crash"))


def test_a_stop_lets_running_work_finish(tmp_path: Path) -> None:
    process = start(tmp_path, parameters={"Notes": str(tmp_path / "notes")})
    stack = Stack(state_of(process), tmp_path)
    stack.client("sqs").send_message(QueueUrl=stack.state.queues["Inbox"], MessageBody="sleep 1")
    until(lambda: stack.seen("sleep 1"))
    assert stop(process) == 0
    log = (tmp_path / "runtime.log").read_text()
    assert "queue mapping failed" not in log


def test_the_runtime_uses_an_endpoint_that_is_given(stack: Stack, tmp_path: Path) -> None:
    with small_stack(tmp_path, stack="guest", endpoint_url=stack.state.endpoint_url) as state:
        assert state.endpoint_url == stack.state.endpoint_url
        sqs = boto3.client(
            "sqs",
            endpoint_url=state.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        sqs.send_message(QueueUrl=state.queues["Inbox"], MessageBody="ok")
        until(lambda: Stack(state, tmp_path).status()["mappings"][0]["deleted"] == 1)
        assert Stack(state, tmp_path).status()["emulator"] is None
