"""A camera on the network: RTSP in, incident out."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.e2e.driver import HEARTH, Stack, photograph, until
from tests.support.daemons import free_port, running

CVLC = shutil.which("cvlc")
SETPRIV = shutil.which("setpriv")


@contextmanager
def camera_on_the_network(folder: Path) -> Iterator[str]:
    """The address of a stream that shows a person, over and over."""
    port = free_port()
    frame = np.ascontiguousarray(np.asarray(photograph(side=320))[..., ::-1])
    path = folder / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 320))
    for shade in range(60):
        writer.write(np.clip(frame.astype(np.int16) + shade % 7, 0, 255).astype(np.uint8))
    writer.release()
    command = [
        *(str(CVLC), "--intf", "dummy", "--no-audio", "--loop", str(path), "--sout"),
        f"#transcode{{vcodec=mp4v,vb=2000,acodec=none}}:rtp{{sdp=rtsp://127.0.0.1:{port}/gate}}",
    ]
    if os.geteuid() == 0:
        if SETPRIV is None:
            pytest.skip("VLC refuses root, and setpriv is not installed")
        nobody = pwd.getpwnam("nobody")
        ids = ("--reuid", str(nobody.pw_uid), "--regid", str(nobody.pw_gid), "--clear-groups")
        command = [SETPRIV, *ids, "--", *command]
        for parent in (path, *path.parents):
            if str(parent).startswith("/tmp/pytest"):
                parent.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    home.chmod(0o777)

    def ready() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    env = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    try:
        with running(command, ready=ready, env=env, timeout_s=20):
            yield f"rtsp://127.0.0.1:{port}/gate"
    except RuntimeError as error:
        pytest.skip(f"VLC does not serve RTSP here: {error}")


def people_on(it: Stack, camera: str) -> int:
    """Frames of the camera on which a person was found."""
    cameras = {c["camera_id"]: c for c in it.get("/cameras")["cameras"]}
    return int(cameras[camera]["frames_with_person"]) if camera in cameras else 0


@pytest.mark.slow
@pytest.mark.skipif(CVLC is None, reason="cvlc is not installed: no RTSP server")
def test_a_person_on_a_live_stream_is_an_incident(
    shared_stack: Stack, camera: str, tmp_path: Path
) -> None:
    data = str(shared_stack.data)
    with camera_on_the_network(tmp_path) as address:
        watcher = subprocess.Popen(
            [*HEARTH, "watch", address, "--camera", camera, "--fps", "4", "--json", "--data", data],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            until(lambda: people_on(shared_stack, camera) >= 4, 45)
            watcher.send_signal(signal.SIGINT)
            out, _ = watcher.communicate(timeout=20)
        finally:
            watcher.kill()
            watcher.wait()
    assert watcher.returncode == 0
    summary = json.loads(out.splitlines()[-1])
    assert summary["frames_sent"] >= 4
    jobs = shared_stack.settle([summary["first_key"], summary["last_key"], summary["end_key"]])
    assert {job["state"] for job in jobs.values()} == {"done"}
    incidents = shared_stack.incidents(camera)
    assert incidents
    assert incidents[-1]["end_reason"] == "stream_end"
    assert sum(incident["frames_observed"] for incident in incidents) >= 3
