"""How fast pictures become detections: `HEARTH_SHARED=… python tests/performance/decoding.py`.

Ratios in one run: every backend on the same clip, with bare ONNX Runtime (the same letterbox,
decoding and suppression in one plain loop, as a reader would write it) as 1, and how far each
backend's people lie from those of float32 ONNX Runtime.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageSequence

from hearth.processor import cpu_share
from hearth_vision.backends.program import write_tensor
from hearth_vision.decoding.yolox import YoloxDecoder
from hearth_vision.detections import Detections
from hearth_vision.detector import DetectorConfig
from hearth_vision.images import ImageLimits, decode_image, encode_jpeg
from hearth_vision.letterbox import letterbox
from hearth_vision.loading import load_detector
from hearth_vision.nms import box_iou, suppress

ROUNDS = 3
CONFIDENCE = 0.25
THRESHOLDS = (0.25, 0.3, 0.5)

Run = Callable[[], list[Detections]]


def main() -> None:
    folder = os.environ.get("HEARTH_SHARED")
    if not folder:
        sys.exit("HEARTH_SHARED is not set: there are no weights or clips to measure with")
    shared = Path(folder)
    weights = shared / "models/yolox_nano.onnx"
    classes = tuple((shared / "models/coco.names").read_text().splitlines())
    with Image.open(shared / "data/video/worker-zone-detection.gif") as clip:
        jpegs = [
            encode_jpeg(np.asarray(frame.convert("RGB"))[..., ::-1], 85)
            for frame in ImageSequence.Iterator(clip)
        ]
    frames = [decode_image(jpeg, ImageLimits()) for jpeg in jpegs]

    runs: dict[str, Run] = {"bare onnxruntime": bare_loop(weights, frames)}
    details: dict[str, str] = {}
    for backend, precision in (
        ("onnxruntime", "float32"),
        ("openvino", "float32"),
        ("openvino", "bfloat16"),
    ):
        config = DetectorConfig(
            weights,
            classes,
            backend=backend,  # type: ignore[arg-type]
            confidence=CONFIDENCE,
            precision=precision,  # type: ignore[arg-type]
        )
        name = f"{backend} {precision}"
        detector = load_detector(config)
        details[name] = detector.info.detail
        runs[name] = lambda detector=detector: detector.detect(frames)  # type: ignore[misc]
        if (backend, precision) == ("openvino", "float32"):
            runs["jpeg + " + name] = lambda detector=detector: detector.detect(  # type: ignore[misc]
                decode_image(jpeg, ImageLimits()) for jpeg in jpegs
            )
    print(json.dumps({"details": details, "runs": measure(runs, len(frames))}, indent=2))


def bare_loop(weights: Path, frames: list[np.ndarray]) -> Run:
    """The limit: a session, a loop, nothing else."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_share()
    session = onnxruntime.InferenceSession(str(weights), options)
    name, shape = session.get_inputs()[0].name, session.get_inputs()[0].shape
    decoder = YoloxDecoder(shape[2], shape[3], in_pixels=False)
    buffer = np.empty(shape, np.float32)

    def run() -> list[Detections]:
        answers = []
        for frame in frames:
            picture, placement = letterbox(frame, shape[2:], centred=decoder.form.centred)
            write_tensor(picture, decoder.form, buffer)
            output = session.run(None, {name: buffer})[0]
            boxes, scores, class_ids = decoder.decode(output, CONFIDENCE)
            kept = suppress(boxes, scores, class_ids, 0.45, 50)
            boxes = placement.to_source(boxes[kept])
            answers.append(Detections(boxes, scores[kept], class_ids[kept]))
        return answers

    return run


def measure(runs: dict[str, Run], count: int) -> dict[str, dict[str, Any]]:
    """Frames a second (median of the rounds, taken in turn) and agreement with the first run."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    answers = {name: run() for name, run in runs.items()}  # also warms up
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    limit = statistics.median(seconds["bare onnxruntime"])
    return {
        name: {
            "frames_per_second": round(count / statistics.median(taken), 1),
            "ratio_to_bare": round(limit / statistics.median(taken), 2),
            "frames_with_a_person": {
                str(threshold): people(answers[name], threshold) for threshold in THRESHOLDS
            },
            **agreement(answers["bare onnxruntime"], answers[name]),
        }
        for name, taken in seconds.items()
    }


def people(answers: list[Detections], confidence: float) -> int:
    return sum(bool((one.scores[one.class_ids == 0] >= confidence).any()) for one in answers)


def agreement(reference: list[Detections], answers: list[Detections]) -> dict[str, Any]:
    """Boxes of one class that overlap by half or more are the same object."""
    overlaps, differences, unmatched = [], [], 0
    for one, other in zip(reference, answers, strict=True):
        pairs = box_iou(one.boxes, other.boxes)
        pairs *= one.class_ids[:, None] == other.class_ids[None, :]
        if len(one) == 0 or len(other) == 0:
            unmatched += len(one) + len(other)
            continue
        best = pairs.argmax(axis=1)
        matched = pairs.max(axis=1) >= 0.5
        overlaps += pairs.max(axis=1)[matched].tolist()
        differences += np.abs(one.scores - other.scores[best])[matched].tolist()
        unmatched += int((~matched).sum()) + len(other) - len(set(best[matched].tolist()))
    return {
        "matched": len(overlaps),
        "unmatched": unmatched,
        "iou_min": round(min(overlaps, default=0.0), 3),
        "iou_median": round(statistics.median(overlaps), 4) if overlaps else None,
        "score_difference_max": round(max(differences, default=0.0), 4),
        "score_difference_median": round(statistics.median(differences), 5) if overlaps else None,
    }


if __name__ == "__main__":
    main()
