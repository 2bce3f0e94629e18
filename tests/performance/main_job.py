"""The whole main job against its limit: the same clip through bare ONNX Runtime in one loop.

    HEARTH_SHARED=../shared .venv/bin/python -m tests.performance.main_job [--repeat 3]

The limit decodes the clip, letterboxes, infers and suppresses in one process with both cores and
does nothing else: no storage, no queue, no database, no report. The stack's rate runs from the
first frame read to the last frame marked done in the ledger: once with every function asleep, once
awake. Both in one run, in turn, so that a slow machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from PIL import Image, ImageSequence

from hearth_runtime.stack_state import StackState
from hearth_runtime.watch.watcher import WatchConfig, watch
from tests.support.stack_process import ROOT, small_stack

TEMPLATE = ROOT / "template.yaml"
CONFIDENCE, IOU = 0.3, 0.45


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Cell corners (N, 2) and strides (N, 1) of YOLOX's three levels."""
    cells, strides = [], []
    for stride in (8, 16, 32):
        n = side // stride
        y, x = np.mgrid[:n, :n]
        cells.append(np.stack((x, y), -1).reshape(-1, 2))
        strides.append(np.full((n * n, 1), stride))
    return np.concatenate(cells), np.concatenate(strides)


def bare_loop(model: Path, clip: Path) -> tuple[float, int]:
    """Frames a second and frames with a person, without anything around the network."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    side = session.get_inputs()[0].shape[2]
    cells, strides = grid(side)
    session.run(None, {name: np.zeros((1, 3, side, side), np.float32)})
    frames = found = 0
    began = time.perf_counter()
    with Image.open(clip) as gif:
        for picture in ImageSequence.Iterator(gif):
            frame = cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2BGR)
            scale = side / max(frame.shape[:2])
            small = cv2.resize(frame, None, fx=scale, fy=scale)
            padded = np.full((side, side, 3), 114, np.uint8)
            padded[: small.shape[0], : small.shape[1]] = small
            blob = padded.transpose(2, 0, 1)[None].astype(np.float32)
            raw = session.run(None, {name: blob})[0][0]
            scores = raw[:, 4] * raw[:, 5]  # class 0 of COCO is person
            keep = scores >= CONFIDENCE
            centre = (raw[keep, :2] + cells[keep]) * strides[keep]
            size = np.exp(raw[keep, 2:4]) * strides[keep]
            boxes = np.concatenate((centre - size / 2, size), 1) / scale
            kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores[keep].tolist(), CONFIDENCE, IOU)
            frames += 1
            found += len(kept) > 0
    return frames / (time.perf_counter() - began), found


def whole_stack(
    model: Path, classes: Path, clip: Path, backend: str = "auto", **config: Any
) -> dict[str, float]:
    """Rates of the clip through a fresh stack: asleep at first, then once more when awake.

    `config` is more of `RuntimeConfig`.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        policy = data / "policy.yaml"
        policy.write_text("version: 1\ndefaults: {restricted: true, required: []}\n")
        parameters = {
            "ModelPath": str(model),
            "ModelClasses": str(classes),
            "ModelBackend": backend,
            "ConfidenceThreshold": str(CONFIDENCE),
            "Policy": str(policy),
        }
        config = {"template": str(TEMPLATE), "parameters": parameters} | config
        with small_stack(data, **config) as state:
            asleep = one_pass(state, data, clip, "asleep")
            awake = one_pass(state, data, clip, "awake")
            cameras = get(state, "/cameras")["cameras"]
            incidents = get(state, "/incidents?limit=100")["incidents"]
            reports = get(state, "/reports?limit=100")["reports"]
    return {
        "asleep": asleep,
        "awake": awake,
        "frames": cameras[0]["frames"],
        "persons": cameras[0]["frames_with_person"],
        "incidents": len(incidents) / 2,
        "reports": len(reports) / 2,
    }


def one_pass(state: StackState, data: Path, clip: Path, camera: str) -> float:
    """Frames a second from the first frame read to the last one judged; waits for the report."""
    began = time.perf_counter()
    summary = watch(
        WatchConfig(
            source=str(clip),
            bucket=state.bucket,
            spool=data / "spool",
            camera=camera,
            endpoint_url=state.endpoint_url,
            fps=None,
            motion=False,
        )
    )
    path = f"/jobs/summary?dedupe_prefix=frame:frames/{camera}/"
    while get(state, path)["jobs"].get("detection.frame", {}).get("done", 0) < summary.frames_sent:
        time.sleep(0.05)
    rate = summary.frames_sent / (time.perf_counter() - began)
    while get(state, "/jobs/summary")["open"] or not get(state, "/reports")["reports"]:
        time.sleep(0.1)
    return rate


def get(state: StackState, path: str) -> Any:
    with urllib.request.urlopen(f"{state.gateway_url}/api/v1{path}", timeout=30) as answer:
        return json.load(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    shared = Path(os.environ["HEARTH_SHARED"]).resolve()
    model, classes = shared / "models/yolox_nano.onnx", shared / "models/coco.names"
    clip = shared / "data/video/worker-zone-detection.gif"
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

    ratios = []
    for _ in range(repeat):
        limit, found = bare_loop(model, clip)
        stack = whole_stack(model, classes, clip)
        ratios.append(stack["awake"] / limit)
        print(
            f"bare loop {limit:5.1f} frames/s, person in {found} | whole stack: from sleep "
            f"{stack['asleep']:.1f}, awake {stack['awake']:.1f} frames/s, person in "
            f"{stack['persons']} of {stack['frames']}; a pass gives {stack['incidents']:g} "
            f"incident(s), {stack['reports']:g} report(s) | awake / bare {ratios[-1]:.2f}"
        )
    print(f"median ratio {statistics.median(ratios):.2f} (goal 0.50)")


if __name__ == "__main__":
    main()
