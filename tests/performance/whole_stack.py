"""The whole stack at rest and at work: sleep, first answers, memory, reports a minute.

    .venv/bin/python -m tests.performance.whole_stack [--reports 500]

Printed: the memory (proportional set size) of the runtime and MiniStack with every function
asleep; how long each HTTP function and the queue functions take to answer from sleep, against the
same request when awake; reports a minute, each from a queue message to its PDF in the bucket and
its row in the database.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import cv2
import numpy as np

from hearth_runtime.stack_state import StackState
from tests.support.chaos import descendants
from tests.support.stack_process import ROOT, small_stack

TEMPLATE = ROOT / "template.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=500)
    given = parser.parse_args()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with small_stack(Path(folder), template=str(TEMPLATE), idle_s=6.0) as state:
            print(f"ready after {time.perf_counter() - began:.1f} s (database migrated)")
            asleep(state)
            first_answers(state)
            reports(state, given.reports)


def asleep(state: StackState) -> None:
    """Memory once every function's process has ended."""
    deadline = time.monotonic() + 60
    while (
        "migrate" in descendants(state.pid).values() or "sweep" in descendants(state.pid).values()
    ):
        if time.monotonic() > deadline:
            raise TimeoutError("a function does not fall asleep")
        time.sleep(0.5)
    parts = {"runtime": memory_mb(state.pid)}
    parts |= {name: memory_mb(pid) for pid, name in descendants(state.pid).items()}
    print(f"asleep: {sum(parts.values()):.0f} MB {json.dumps(parts)} (goal 250)")


def first_answers(state: StackState) -> None:
    """Seconds from sleep to an answer, and the same again awake."""
    for path in ("/jobs/summary", "/incidents", "/reports"):
        first, again = timed(state, path), timed(state, path)
        print(f"{path}: first answer {first:.2f} s, awake {again * 1000:.1f} ms (goal 1.5 s)")
    # Lets the functions that answered sleep again: cold starts must not share the processors.
    time.sleep(8)
    for function in ("detection", "reports", "sweep"):
        event = b'{"Records": []}' if function != "sweep" else b"{}"
        url = f"{state.control_url}/2015-03-31/functions/{function}/invocations"
        times = []
        for _ in range(2):
            began = time.perf_counter()
            urllib.request.urlopen(url, data=event, timeout=60).read()
            times.append(time.perf_counter() - began)
        print(f"{function}: first answer {times[0]:.2f} s, awake {times[1] * 1000:.1f} ms")


def reports(state: StackState, count: int) -> None:
    """Reports a minute through queue, function, bucket and database."""
    settings = {"endpoint_url": state.endpoint_url, "region_name": "us-east-1"}
    picture = np.random.default_rng(7).integers(0, 255, (360, 640, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.GaussianBlur(picture, (9, 9), 0))[1].tobytes()
    s3, sqs = boto3.client("s3", **settings), boto3.client("sqs", **settings)
    s3.put_object(Bucket=state.bucket, Key="evidence/benchmark.jpg", Body=jpeg)
    url = state.queues["ReportsQueue"]
    bodies = [body(state.bucket, number) for number in range(count)]
    began = time.perf_counter()
    for start in range(0, count, 10):
        entries = [
            {"Id": str(i), "MessageBody": text} for i, text in enumerate(bodies[start : start + 10])
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)
    sent = time.perf_counter() - began
    done = 0
    while done < count:
        time.sleep(0.1)
        done = (
            get(state, "/jobs/summary")["jobs"].get("safety.violation.detected", {}).get("done", 0)
        )
    seconds = time.perf_counter() - began
    print(
        f"{count} reports in {seconds:.1f} s (sent in {sent:.1f} s): "
        f"{count / seconds * 60:.0f} a minute (goal 1,000), {len(jpeg) // 1024} kB of evidence each"
    )


def body(bucket: str, number: int) -> str:
    """A message of the first schema, a different one for each number."""
    return json.dumps(
        {
            "timestamp": f"2026-11-21T10:{number // 60 % 60:02d}:{number % 60:02d}Z",
            "class_name": ("no_helmet", "no_gloves", "no_boots", "no_goggle")[number % 4],
            "description": f"Worker {number} without protection",
            "confidence": 0.8,
            "osha_regulation": "29 CFR 1926.100(a)",
            "bbox": [100, 60, 180, 260],
            "image_s3_url": f"s3://{bucket}/evidence/benchmark.jpg",
            "camera_id": f"cam-{number}",
            "site_location": "Hall A",
            "site_name": "Benchmark",
            "company_name": "Hearth",
        }
    )


def timed(state: StackState, path: str) -> float:
    began = time.perf_counter()
    get(state, path)
    return time.perf_counter() - began


def get(state: StackState, path: str) -> Any:
    with urllib.request.urlopen(f"{state.gateway_url}/api/v1{path}", timeout=60) as answer:
        return json.load(answer)


def memory_mb(pid: int) -> float:
    """Proportional set size: pages that are shared count in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise ValueError(f"process {pid} has no Pss")


if __name__ == "__main__":
    main()
