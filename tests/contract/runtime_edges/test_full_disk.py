"""A stack whose disk is full: what cannot be kept is refused, and all goes on with room again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hearth_runtime.aws.disk_guard import RESERVE_BYTES
from tests.contract.runtime_edges.conftest import Stack, until
from tests.contract.runtime_edges.http_client import request
from tests.support.stack_process import small_stack

ROOM = RESERVE_BYTES + 2**24


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 16 MB larger than the reserve."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, left: int = 0) -> Path:
    """Take all room but `left` bytes."""
    ballast = folder / "ballast"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - left)
    return ballast


def test_nothing_is_lost_while_the_disk_is_full(small_disk: Path, tmp_path: Path) -> None:
    data = small_disk / "data"
    with small_stack(data, parameters={"Notes": str(tmp_path / "notes")}) as state:
        stack = Stack(state, tmp_path)
        s3 = stack.client("s3")
        body = b"x" * 2**20
        ballast = fill(small_disk)
        try:
            with pytest.raises(ClientError, match=r"SlowDown.*there is no room on the disk"):
                put_once(stack, Key="a/b c.bin", Body=body)
            assert s3.list_objects_v2(Bucket=state.bucket)["KeyCount"] == 0
            # What needs no disk goes on.
            stack.client("sqs").send_message(
                QueueUrl=state.queues["Inbox"], MessageBody="while it was full"
            )
            until(lambda: stack.seen("while it was full"))
            assert request(f"{state.gateway_url}/items/a").status == 200
        finally:
            ballast.unlink()
        put_once(stack, Key="a/b c.bin", Body=body)
        os.kill(stack.status()["emulator"]["pid"], signal.SIGKILL)
        until(lambda: stack.status()["emulator"]["restarts"] == 1)
        assert s3.get_object(Bucket=state.bucket, Key="a/b c.bin")["Body"].read() == body


def test_an_object_that_did_not_reach_the_disk_is_refused(small_disk: Path, tmp_path: Path) -> None:
    """Room that another program took between the look and the write."""
    data = small_disk / "data"
    with small_stack(data, parameters={"Notes": str(tmp_path / "notes")}) as state:
        stack = Stack(state, tmp_path)
        # A file in the folder's place: the look finds room, the write fails.
        (objects,) = (data / "objects").glob(f"*/{state.bucket}")
        objects.rmdir()
        objects.touch()
        with pytest.raises(ClientError, match="SlowDown"):
            put_once(stack, Key="a", Body=b"y")
        objects.unlink()
        put_once(stack, Key="a", Body=b"y")


def put_once(stack: Stack, **given: Any) -> None:
    """Put an object without the client's own retries."""
    stack.client("s3", total_max_attempts=1).put_object(Bucket=stack.state.bucket, **given)
