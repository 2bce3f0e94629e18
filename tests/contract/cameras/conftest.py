"""A real S3 server, real clips and a supervisor of real watcher processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from hearth_runtime.cameras.supervisor import BackOff, CameraSupervisor, Destination
from hearth_runtime.observe.logs import LogStream
from tests.support.ministack import ministack

BUCKET = "hearth-frames"
QUICK = BackOff(first_s=0.2, longest_s=1.0)


class World:
    """Where watchers of a test bring their frames, and what they say."""

    def __init__(self, endpoint: str, data: Path) -> None:
        self.destination = Destination(BUCKET, endpoint, data)
        self.data = data
        self.log = data / "runtime.log"
        self.logs = LogStream(self.log)
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self._s3.create_bucket(Bucket=BUCKET)

    def supervisor(self) -> CameraSupervisor:
        return CameraSupervisor(self.destination, self.logs, back_off=QUICK)

    def frames(self, camera: str) -> list[str]:
        found = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=f"frames/{camera}/")
        return [item["Key"] for item in found.get("Contents", ()) if item["Key"].endswith(".jpg")]

    def written(self) -> str:
        """All that was logged and is kept under the data folder, as text."""
        self.logs.write("INFO", "end")
        files = [path for path in self.data.rglob("*.log*") if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in files)

    def close(self) -> None:
        self._s3.close()
        self.logs.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ministack(tmp_path / "ministack") as endpoint:
        data = tmp_path / "data"
        data.mkdir()
        it = World(endpoint, data)
        yield it
        it.close()


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Writes a film in which something moves, with FFmpeg."""

    def write(name: str = "film.mp4", seconds: float = 2) -> Path:
        path = tmp_path / name
        source = f"testsrc2=duration={seconds}:size=320x240:rate=10"
        command = ["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", source]
        subprocess.run([*command, "-c:v", "mpeg4", str(path)], check=True, timeout=60)
        return path

    return write


async def until(condition: Callable[[], Any], timeout_s: float = 30) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.05)
    return answer


def command_lines() -> str:
    """Every command line and environment of this machine that may be read, as `ps` shows them."""
    found = []
    for entry in Path("/proc").iterdir():
        for name in ("cmdline", "environ") if entry.name.isdigit() else ():
            try:
                found.append((entry / name).read_bytes().decode(errors="replace"))
            except OSError:
                continue
    return json.dumps(found)
