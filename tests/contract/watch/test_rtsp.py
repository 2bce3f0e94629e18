"""A real RTSP stream, served by VLC."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hearth_runtime.watch.watcher import WatchConfig, watch
from tests.contract.watch.conftest import S3

CVLC = shutil.which("cvlc")
SETPRIV = shutil.which("setpriv")

pytestmark = [
    pytest.mark.skipif(CVLC is None, reason="cvlc is not installed: no RTSP server"),
    pytest.mark.timeout(600),  # a busy machine starts VLC slowly
]


@pytest.fixture
def stream(clip: Callable[..., Path], tmp_path: Path, port: int) -> Iterator[str]:
    """The address of a stream that plays a clip over and over."""
    path = clip(100)
    command = [
        *(str(CVLC), "--intf", "dummy", "--no-audio", "--loop", str(path), "--sout"),
        f"#transcode{{vcodec=mp4v,vb=800,acodec=none}}:rtp{{sdp=rtsp://127.0.0.1:{port}/gate}}",
    ]
    if os.geteuid() == 0:
        # VLC refuses to run as root.
        if SETPRIV is None:
            pytest.skip("VLC refuses root, and setpriv is not installed")
        nobody = pwd.getpwnam("nobody")
        command = [
            *(SETPRIV, "--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid)),
            *("--clear-groups", "--", *command),
        ]
        for folder in (path, *path.parents):
            if folder.owner() == "root" and str(folder).startswith("/tmp/pytest"):
                folder.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    with (tmp_path / "vlc.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                said = (tmp_path / "vlc.log").read_text(errors="replace")[-500:]
                pytest.skip(f"VLC does not serve RTSP here: {said}")
            time.sleep(0.1)
        yield f"rtsp://127.0.0.1:{port}/gate"
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_stream_is_watched_until_somebody_stops_it(s3: S3, tmp_path: Path, stream: str) -> None:
    stop = threading.Event()
    frames = 0

    def heard(event: object) -> None:
        nonlocal frames
        frames = max(frames, getattr(event, "get", dict)("frames_sent") or 0)
        if frames >= 10:
            stop.set()

    limit = threading.Timer(180, stop.set)
    limit.start()
    config = WatchConfig(
        stream, s3.bucket, tmp_path / "spool", camera="gate", endpoint_url=s3.endpoint
    )
    summary = watch(config, heard, stop)
    limit.cancel()
    limit.join()
    assert summary.frames_sent >= 10, summary.warnings
    keys = s3.listing("frames/gate/")
    assert keys[-1] == summary.end_key
    assert len(keys) == summary.frames_sent + 1
    assert s3.get(keys[0])[:2] == b"\xff\xd8"


def test_a_stream_that_is_not_there_is_tried_again(s3: S3, tmp_path: Path, port: int) -> None:
    stop = threading.Event()
    tried_again = threading.Event()

    def heard(event: Mapping[str, Any]) -> None:
        if "trying again" in str(event.get("message")):
            tried_again.set()
            stop.set()

    limit = threading.Timer(120, stop.set)
    limit.start()
    config = WatchConfig(
        f"rtsp://127.0.0.1:{port}/none",
        s3.bucket,
        tmp_path / "spool",
        camera="gate",
        endpoint_url=s3.endpoint,
        stall_s=1.0,
    )
    summary = watch(config, heard, stop)
    limit.cancel()
    limit.join()
    assert tried_again.is_set()
    assert summary.reconnects >= 1
    assert "cannot be opened" in summary.warnings[0]
    assert (summary.frames_sent, summary.end_key) == (0, None)
