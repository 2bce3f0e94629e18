"""Eight cameras at once through the whole stack, in real time.

    HEARTH_SHARED=../shared .venv/bin/python -m tests.performance.many_cameras [--seconds 60]

Each camera puts two frames a second of a real clip into the bucket, from another place of it; then
queue, detection with YOLOX-nano and database do their work, with a policy that lets frames go which
wait longer than `--max-lag`. Printed: frames sent, judged, dropped and lost (neither), the age of
what the latest judged frame shows while frames come in (worst camera and median), and how evenly
frames were judged (Jain's index: 1 is even, 1/8 is one camera only). With --flood the first camera
sends that many times as much as the others; with --max-fps the policy bounds what each may have
judged.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import cv2
import numpy as np
from PIL import Image, ImageSequence

from hearth_runtime.stack_state import StackState
from hearth_runtime.watch import keys
from tests.support.stack_process import ROOT, small_stack

CAMERAS = [f"camera-{number}" for number in range(8)]
RATE = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--max-lag", type=float, default=10)
    parser.add_argument("--flood", type=int, default=1)
    parser.add_argument("--max-fps", type=float)
    given = parser.parse_args()
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        os.environ.setdefault(f"AWS_{name}", value)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    shared = Path(os.environ["HEARTH_SHARED"]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "policy.yaml")
        rate = "" if given.max_fps is None else f", max_fps: {given.max_fps:g}"
        policy.write_text(f"defaults: {{required: [], max_lag_s: {given.max_lag:g}{rate}}}\n")
        parameters = {
            "ModelPath": str(shared / "models/yolox_nano.onnx"),
            "ModelClasses": str(shared / "models/coco.names"),
            "Policy": str(policy),
        }
        template = str(ROOT / "template.yaml")
        with small_stack(Path(folder, "data"), template=template, parameters=parameters) as state:
            report = measure(state, clip(shared), given.seconds, given.flood)
    print(json.dumps(report, indent=2))


def clip(shared: Path) -> list[bytes]:
    with Image.open(shared / "data/video/worker-zone-detection.gif") as gif:
        frames = [np.asarray(one.convert("RGB"))[..., ::-1] for one in ImageSequence.Iterator(gif)]
    return [cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames]


def measure(state: StackState, frames: list[bytes], seconds: float, flood: int) -> dict[str, Any]:
    s3 = boto3.client("s3", endpoint_url=state.endpoint_url, region_name="us-east-1")
    # Awake: what is measured is the work, not the start.
    put(s3, state, "warm-up", frames[0], datetime.now(UTC))
    wait_until_judged(state, {"warm-up": 1}, 120)
    sent = dict.fromkeys(CAMERAS, 0)
    ages: list[list[float]] = []
    began, first = time.monotonic(), datetime.now(UTC)
    next_look = began + 1
    while time.monotonic() < began + seconds:
        now = time.monotonic()
        for number, camera in enumerate(CAMERAS):
            rate = RATE * (flood if number == 0 else 1)
            while sent[camera] < (now - began) * rate:
                # A camera's clock goes on while this loop is late.
                captured = first + timedelta(seconds=sent[camera] / rate)
                picture = frames[(sent[camera] + 9 * number) % len(frames)]
                put(s3, state, camera, picture, captured)
                sent[camera] += 1
        if now >= next_look:
            next_look += 1
            ages.append(age_of_each(state))
        time.sleep(0.02)
    wait_until_judged(state, sent, 120)
    cameras = {one["camera_id"]: one for one in cameras_of(state)}
    judged = [cameras[camera]["frames"] for camera in CAMERAS]
    dropped = [cameras[camera]["dropped_frames"] for camera in CAMERAS]
    reasons = [cameras[camera]["dropped_by_reason"] for camera in CAMERAS]
    later = [one for one in ages[len(ages) // 4 :] if one]
    return {
        "seconds": seconds,
        "model": cameras[CAMERAS[-1]]["model"],
        "sent": list(sent.values()),
        "judged": judged,
        "dropped": dropped,
        "dropped_by_reason": reasons,
        "lost": sum(sent.values()) - sum(judged) - sum(dropped),
        "oldest_frame_age_s": round(max(max(one) for one in later), 1),
        "worst_camera_age_median_s": round(statistics.median(max(one) for one in later), 1),
        "age_median_s": round(statistics.median(age for one in later for age in one), 1),
        "fairness_jain": round(sum(judged) ** 2 / (len(judged) * sum(n * n for n in judged)), 3),
    }


def put(s3: Any, state: StackState, camera: str, jpeg: bytes, captured: datetime) -> None:
    key = keys.frame_key(camera, keys.to_microseconds(captured))
    s3.put_object(Bucket=state.bucket, Key=key, Body=jpeg)


def cameras_of(state: StackState) -> list[dict[str, Any]]:
    url = f"{state.gateway_url}/api/v1/cameras"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return list(json.load(answer)["cameras"])


def age_of_each(state: StackState) -> list[float]:
    """Seconds since what each camera's latest judged frame shows."""
    now = datetime.now(UTC)
    return [
        (now - datetime.fromisoformat(one["last_frame_at"])).total_seconds()
        for one in cameras_of(state)
        if one["camera_id"] in CAMERAS and one["last_frame_at"]
    ]


def wait_until_judged(state: StackState, sent: dict[str, int], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        counts = {
            one["camera_id"]: one["frames"] + one["dropped_frames"] for one in cameras_of(state)
        }
        if all(counts.get(camera, 0) >= count for camera, count in sent.items()):
            return
        time.sleep(0.5)


if __name__ == "__main__":
    main()
