"""From an image's upload to the message that leaves, with eight cameras at once.

    HEARTH_SHARED=../shared .venv/bin/python -m tests.performance.alert_latency [--seconds 60]

Each camera puts two frames a second into the bucket: somebody comes for ten frames and is gone for
ten, again and again, at another moment on each camera. An incident is believed from its third
frame on; the time from that frame's upload to the arrival of the webhook is printed, with its image
drawn. Frames that wait for longer than two seconds are let go, as a live camera's policy has it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3

from hearth_runtime.stack_state import StackState
from tests.performance.many_cameras import (
    CAMERAS,
    RATE,
    age_of_each,
    cameras_of,
    clip,
    put,
    wait_until_judged,
)
from tests.support.stack_process import ROOT, small_stack

CYCLE = 20
"""Frames: half of them with somebody."""
CONFIRMED = 3
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
POLICY = """
defaults:
  required: []
  restricted: true
  max_lag_s: 2
  episode: {gap_s: 4, max_s: 60, min_observations: 3, idle_after_s: 10}
"""


class Received(ThreadingHTTPServer):
    """Keeps when each message came, and what it says."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, dict[str, Any]]] = []
        super().__init__(("127.0.0.1", 0), _Receiver)


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        assert isinstance(server, Received)
        server.messages.append((time.time(), body["data"]["events"][0]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=RATE, help="frames a second of each camera")
    given = parser.parse_args()
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test")):
        os.environ.setdefault(f"AWS_{name}", value)
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    shared = Path(os.environ["HEARTH_SHARED"]).resolve()
    server = Received()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/?name=a&events=safety.violation.started"
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "policy.yaml")
        policy.write_text(POLICY)
        parameters = {
            "Policy": str(policy),
            "NotificationChannels": f"{address}&urgent=safety.*",
            "NotificationCooldownMinutes": "0",
        }
        template = str(ROOT / "template.yaml")
        with small_stack(Path(folder, "data"), template=template, parameters=parameters) as state:
            uploads = send(state, clip(shared), given.seconds, given.rate)
            time.sleep(5)
            ages = [one for one in age_of_each(state) if one]
            cameras = {one["camera_id"]: one for one in cameras_of(state)}
    report = summary(server.messages, uploads)
    report["judged"] = sum(cameras[camera]["frames"] for camera in CAMERAS)
    report["dropped"] = sum(cameras[camera]["dropped_frames"] for camera in CAMERAS)
    report["latest_judged_frame_age_s"] = round(max(ages), 1)
    print(json.dumps(report, indent=2))


def send(
    state: StackState, frames: list[bytes], seconds: float, rate: float
) -> dict[str, list[tuple[datetime, float]]]:
    """Camera → (captured at, uploaded at) of its frames with somebody on them."""
    s3 = boto3.client("s3", endpoint_url=state.endpoint_url, region_name="us-east-1")
    for second in range(4):
        put(s3, state, "warm-up", frames[30], datetime.now(UTC) + timedelta(seconds=second))
    wait_until_judged(state, {"warm-up": 4}, 120)
    time.sleep(3)
    uploads: dict[str, list[tuple[datetime, float]]] = {camera: [] for camera in CAMERAS}
    sent = dict.fromkeys(CAMERAS, 0)
    began, first = time.monotonic(), datetime.now(UTC)
    while time.monotonic() < began + seconds:
        now = time.monotonic()
        for number, camera in enumerate(CAMERAS):
            while sent[camera] < (now - began) * rate:
                captured = first + timedelta(seconds=sent[camera] / rate)
                step = (sent[camera] + 3 * number) % CYCLE
                is_there = step < CYCLE // 2
                put(s3, state, camera, frames[30 + step if is_there else 0], captured)
                if is_there:
                    uploads[camera].append((captured, time.time()))
                sent[camera] += 1
        time.sleep(0.02)
    return uploads


def summary(
    messages: list[tuple[float, dict[str, Any]]],
    uploads: dict[str, list[tuple[datetime, float]]],
) -> dict[str, Any]:
    waits = []
    for received_at, event in messages:
        began = began_at(event["details"]["incident_id"]) - timedelta(milliseconds=1)
        shown = [at for captured, at in uploads.get(event["details"]["camera_id"], ())
                 if captured >= began]  # fmt: skip
        if len(shown) >= CONFIRMED:
            waits.append(received_at - shown[CONFIRMED - 1])
    cuts = statistics.quantiles(waits, n=20)
    return {
        "messages": len(waits),
        "waits_s": [round(wait, 1) for wait in waits],
        "with_image": sum(bool(event["details"]["evidence"]) for _, event in messages),
        "p50_s": round(statistics.median(waits), 2),
        "p95_s": round(cuts[18], 2),
        "max_s": round(max(waits), 2),
    }


def began_at(incident_id: str) -> datetime:
    """The time in a ULID, to the millisecond."""
    number = 0
    for letter in incident_id[:10]:
        number = number * 32 + ALPHABET.index(letter)
    return datetime.fromtimestamp(number / 1000, UTC)


if __name__ == "__main__":
    main()
