"""Container mode against process mode, and what each function's container costs.

    scripts/build
    HEARTH_SHARED=../shared .venv/bin/python -m tests.performance.containers [--repeat 3]

Printed: the main job's frames a second in both modes, in turn in one run; for each function, in
both modes, how long its first answer takes when it sleeps and when it is awake, and the most memory
it took; the sizes of the images.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hearth_runtime.launchers.container_images import BUILT_TAG, connect, images
from hearth_runtime.stack_state import StackState
from tests.performance.main_job import TEMPLATE, whole_stack
from tests.support.events import load_event
from tests.support.stack_process import small_stack

CALLS = 50  # of each function


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--image-tag", default=BUILT_TAG)
    given = parser.parse_args()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    containers = {"containers": True, "image_tag": given.image_tag}
    main_job(given.repeat, containers)
    functions(containers)
    for image, megabytes in sorted(asyncio.run(sizes(given.image_tag)).items()):
        print(f"{image}: {megabytes:.0f} MB (goal 500)")


def main_job(repeat: int, containers: dict[str, Any]) -> None:
    """Frames a second from the first frame read to the last one judged."""
    shared = Path(os.environ["HEARTH_SHARED"]).resolve()
    given = (
        shared / "models/yolox_nano.onnx",
        shared / "models/coco.names",
        shared / "data/video/worker-zone-detection.gif",
    )
    ratios = []
    for _ in range(repeat):
        # The image has ONNX Runtime only; a process would choose OpenVINO where that is faster.
        processes = whole_stack(*given, backend="onnxruntime")
        inside = whole_stack(*given, backend="onnxruntime", **containers)
        ratios.append(inside["awake"] / processes["awake"])
        print(
            f"main job, from sleep and awake: processes {processes['asleep']:.1f} and "
            f"{processes['awake']:.1f} frames/s, containers {inside['asleep']:.1f} and "
            f"{inside['awake']:.1f}; awake containers / processes {ratios[-1]:.2f}"
        )
    print(f"median ratio {statistics.median(ratios):.2f} (goal 0.90)")


def functions(containers: dict[str, Any]) -> None:
    """First answers and memory of each function, in both modes."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for mode, config in (("process", {}), ("container", containers)):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            with small_stack(data, template=str(TEMPLATE), idle_s=2.0, **config) as state:
                queues = {mapping["function"] for mapping in status(state)["mappings"]}
                names = {item["name"]: item["short_name"] for item in status(state)["functions"]}
                for name, short in names.items():
                    sleeping(state, short)
                    event = {"Records": []} if name in queues else request()
                    first, *awake = [timed(state, short, event) for _ in range(CALLS)]
                    median = statistics.median(awake)
                    found[short].append(f"{mode} first {first:.2f} s, awake {median * 1000:.1f} ms")
                for short, megabytes in peaks(data / "runtime.log", names.values()).items():
                    found[short].append(f"{megabytes} MB")
    for short, parts in found.items():
        print(f"{short}: {', '.join(parts)} (goal 0.5 s without a model, 1.5 s with; 500 MB)")


def request() -> dict[str, Any]:
    """A request for a path that no function has: a function that is no API may refuse it."""
    return load_event("jobs/http_api_summary", rawPath="/api/v1/nothing", routeKey="$default")


def sleeping(state: StackState, function: str) -> None:
    """Wait until a function's last process has ended, and the schedules leave it alone."""
    deadline = time.monotonic() + 60
    while True:
        (one,) = [f for f in status(state)["functions"] if f["short_name"] == function]
        if one["state"] == "cold":
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{function} does not fall asleep")
        time.sleep(0.1)


def timed(state: StackState, function: str, event: dict[str, Any]) -> float:
    """Seconds to the answer, whatever it is."""
    url = f"{state.control_url}/2015-03-31/functions/{function}/invocations"
    began = time.perf_counter()
    urllib.request.urlopen(url, data=json.dumps(event).encode(), timeout=60).read()
    return time.perf_counter() - began


def peaks(log: Path, functions: Iterable[str]) -> dict[str, int]:
    """Most resident megabytes that each function reported."""
    found = dict.fromkeys(functions, 0)
    for line in log.read_text().splitlines():
        record = json.loads(line)
        if record["message"] == "REPORT":
            name = record["function"]
            found[name] = max(found[name], record["max_memory_mb"])
    return found


async def sizes(tag: str) -> dict[str, float]:
    """Uncompressed megabytes (10**6 bytes) of each image."""
    async with await connect() as docker:
        return {
            image: (await docker.images.inspect(image))["Size"] / 1e6
            for image in set(images(TEMPLATE, tag).values())
        }


def status(state: StackState) -> Any:
    with urllib.request.urlopen(f"{state.control_url}/status", timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
