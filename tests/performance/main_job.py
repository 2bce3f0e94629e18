"""The whole main job against its limit: the same clip through bare ONNX Runtime in one loop.

    HEARTH_SHARED=../shared .venv/bin/python tests/performance/main_job.py [--repeat 3]

The limit decodes the clip, letterboxes, infers and suppresses in one process with both cores and
does nothing else: no storage, no queue, no database, no report. The stack's rate runs from the
first frame put in the bucket to the last frame marked done in the ledger. Both in one run, in
turn, so that a slow machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image, ImageSequence

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


def whole_stack(model: Path, classes: Path, clip: Path) -> dict[str, object]:
    """What `hearth run --json` says of the clip, on a fresh data folder."""
    with tempfile.TemporaryDirectory() as data:
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "hearth_runtime", "run", str(clip), "--json"),
                *("--data", data, "--fps", "all", "--restricted"),
                *("--model", str(model), "--classes", str(classes)),
                *("--confidence", str(CONFIDENCE)),
            ],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    shared = Path(os.environ["HEARTH_SHARED"])
    model, classes = shared / "models/yolox_nano.onnx", shared / "models/coco.names"
    clip = shared / "data/video/worker-zone-detection.gif"

    ratios = []
    for _ in range(repeat):
        limit, found = bare_loop(model, clip)
        stack = whole_stack(model, classes, clip)
        camera = stack["cameras"][0]  # type: ignore[index]
        rate = stack["timings"]["frames_per_second"]  # type: ignore[index]
        ratios.append(rate / limit)
        print(
            f"bare loop {limit:6.1f} frames/s, person in {found} | "
            f"whole stack {rate:6.1f} frames/s, person in {camera['frames_with_person']} "
            f"of {camera['frames']}, incidents {len(stack['incidents'])} | "  # type: ignore[arg-type]
            f"stack / bare {rate / limit:.2f}"
        )
    print(f"median ratio {statistics.median(ratios):.2f} (goal 0.50)")


if __name__ == "__main__":
    main()
