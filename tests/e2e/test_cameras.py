"""Cameras that the stack watches by itself: added, watched, shown, removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.e2e.driver import Stack, hearth, photograph, policy_file, stack, until

SECRET = "s3cret-horse"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person, for four seconds."""
    path = tmp_path_factory.mktemp("film") / "gate.avi"
    frame = np.ascontiguousarray(np.asarray(photograph(side=320))[..., ::-1])
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (320, 320))
    for shade in range(20):
        writer.write(np.clip(frame.astype(np.int16) + 20 * (shade % 3), 0, 255).astype(np.uint8))
    writer.release()
    return path


def watchers(it: Stack) -> dict[str, dict[str, Any]]:
    status = hearth("status", "--json", data=it.data).json()["status"]
    return {one["name"]: one for one in status["cameras"]}


def function_of_cameras(it: Stack) -> dict[str, Any]:
    status = hearth("status", "--json", data=it.data).json()["status"]
    found: dict[str, Any] = next(
        one for one in status["functions"] if one["short_name"] == "detection-cameras"
    )
    return found


@pytest.mark.slow
def test_a_home_adds_cameras_and_an_incident_arises_though_one_is_broken(
    tmp_path: Path, film: Path
) -> None:
    policy = policy_file(tmp_path / "policy.yaml", ["door"])
    data = tmp_path / "data"
    with stack(data, "--policy", policy) as it:
        until(lambda: function_of_cameras(it)["invocations"] == 1, 30)
        until(lambda: function_of_cameras(it)["pids"] == [], 30)  # nothing stays awake for it
        broken = f"rtsp://admin:{SECRET}@127.0.0.1:1/stream"
        assert hearth("cameras", "add", "yard", broken, data=data).code == 0
        added = hearth("cameras", "add", "gate", film, "--policy", "door", "--json", data=data)
        assert added.code == 0, added.err
        assert added.json()["address"] == str(film)
        taken = hearth("cameras", "add", "gate", film, data=data)
        assert (taken.code, "exists already" in taken.err) == (1, True)
        assert hearth("cameras", "add", "dock", film, "--rate", "0", data=data).code == 2

        until(lambda: (watchers(it).get("gate") or {}).get("reason") == "the source has ended", 60)
        until(lambda: watchers(it)["yard"]["state"] == "waiting", 30)
        assert "cannot be opened" in watchers(it)["yard"]["reason"]
        incidents = until(lambda: it.incidents("gate"), 90)
        assert incidents[0]["frames_observed"] >= 3

        listed = hearth("cameras", "list", "--json", data=data).json()["cameras"]
        assert [(one["camera_id"], one["configured"]) for one in listed] == [
            ("gate", True),
            ("yard", True),
        ]
        assert listed[1]["watcher"]["state"] == "waiting"
        shown = hearth("status", data=data).out + hearth("cameras", "list", data=data).out
        assert "yard" in shown
        tried = hearth("cameras", "test", "gate", "--json", data=data).json()
        assert (tried["ok"], tried["width"], tried["codec"]) == (True, 320, "mjpeg")
        failed = hearth("cameras", "test", "yard", "--timeout", "2", "--json", data=data)
        assert (failed.code, failed.json()["ok"]) == (1, False)

        assert hearth("cameras", "remove", "yard", data=data).code == 0
        until(lambda: list(watchers(it)) == ["gate"], 20)
        everything = json.dumps([listed, shown, failed.out, failed.err, watchers(it)])
        logs = "".join(path.read_text(errors="replace") for path in data.rglob("*.log*"))
        assert SECRET not in everything + logs
    assert not (data / "spool/yard").exists() or not list((data / "spool/yard").glob("*.jpg"))
