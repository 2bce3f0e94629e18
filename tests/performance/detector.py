"""Pictures to detections against its peers: `python tests/performance/detector.py`.

A network of YOLOv8n's shape with random weights, and a film of 640 x 480, are made here; everybody
gets the film as JPEGs and answers with boxes after suppression. Ratios in one run, rounds taken in
turn. `bare` is ONNX Runtime as a reader would write it: decode, letterbox, run, read, suppress, one
after the other. With --ultralytics its own pipeline, on its own yolov8n with random weights, is
measured in a virtual environment of its own (`.venv-ultralytics`, made on first use; AGPL: nothing
of it is imported here).

Beside the clock's time stands the processor's, which other work on the machine disturbs less: two
cores give at most two seconds of it a second.

INT8 is made as the product makes it, from frames of the film. Of its fidelity random weights say
nothing.
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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hearth.processor import cpu_features, cpu_share
from hearth_models.admission import admit
from hearth_models.conversion import convert, quantize
from hearth_models.files import Folder, file_record
from hearth_models.record import VariantRecord
from hearth_models.registry import Registry, utc_text
from hearth_vision.backends.program import write_tensor
from hearth_vision.decoding.yolov8 import Yolov8Decoder
from hearth_vision.detections import Detections
from hearth_vision.detector import Detector, DetectorConfig
from hearth_vision.images import Bgr, ImageLimits, decode_image, encode_jpeg
from hearth_vision.letterbox import letterbox
from hearth_vision.nms import suppress
from hearth_vision.onnx_detector import OnnxDetector
from hearth_vision.served_model import ModelSource

SIZE = (480, 640)
SQUARE = (640, 640)
BATCH = 10
CANDIDATES = 100
"""Boxes over the threshold on a frame, before suppression."""
LIMITS = ImageLimits()
ROOT = Path(__file__).parents[2]
CLASSES = tuple(f"class {index}" for index in range(80))

Run = Callable[[Sequence[bytes]], list[Detections]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ultralytics", action="store_true")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for part in measure(Path(name), given.frames, given.rounds, given.ultralytics):
            print(json.dumps(part, indent=2), flush=True)


def measure(folder: Path, frames: int, rounds: int, ultralytics: bool) -> Iterator[dict[str, Any]]:
    from tests.performance.yolov8n import save

    film = [encode_jpeg(frame, 85) for frame in scenes(frames)]
    paths = {
        "free": save(folder / "free.onnx", CLASSES),
        "square": save(folder / "square.onnx", CLASSES, size=SQUARE),
        "rectangular": save(folder / "rectangular.onnx", CLASSES, size=SIZE),
    }
    confidence = threshold(paths["rectangular"], film[0])
    int8 = quantized(paths["free"], film, folder)

    def ours(model: str, precision: str, ir: Path | None = None) -> Detector:
        config = DetectorConfig(
            paths[model],
            backend="openvino",
            precision=precision,  # type: ignore[arg-type]
            confidence=confidence,
        )
        path = ir or paths[model]
        source = ModelSource(model, path, "", CLASSES, SIZE, openvino=True)
        return OnnxDetector(path, config, source)

    best = "bfloat16" if "avx512_bf16" in cpu_features() else "float32"
    detectors = {
        "core float32": ours("free", "float32"),
        f"core {best}": ours("free", best),
        f"core {best}, square": ours("square", best),
        "core int8": ours("free", best, int8),
    }
    runs: dict[str, Run] = {
        "bare": bare(paths["square"], SQUARE, confidence),
        "bare, rectangular": bare(paths["rectangular"], SIZE, confidence),
    }
    pool = ThreadPoolExecutor(4)
    runs |= {name: batches(detector, pool) for name, detector in detectors.items()}
    work: dict[str, Callable[[], object]] = {
        name: lambda run=run: run(film)  # type: ignore[misc]
        for name, run in runs.items()
    }
    work |= {f"network of {name}": network_only(one, film) for name, one in detectors.items()}
    seconds, processor = in_turn(work, rounds)
    alone = one_by_one(runs, film)
    yield {
        "details": {name: detector.info.detail for name, detector in detectors.items()},
        "runs": {
            name: {
                "frames_per_second": round(frames / seconds[name], 1),
                "times_bare": round(seconds["bare"] / seconds[name], 2),
                "times_bare_rectangular": round(seconds["bare, rectangular"] / seconds[name], 2),
                "processor_ms_a_frame": round(1000 * processor[name] / frames, 1),
                "times_bare_by_processor": round(processor["bare"] / processor[name], 2),
                "one_frame_p50_ms": round(alone[name] * 1000, 1),
                "one_frame_times_bare": round(alone["bare"] / alone[name], 2),
                **(
                    {
                        "outside_the_network": round(
                            1 - processor[f"network of {name}"] / processor[name], 3
                        )
                    }
                    if name in detectors
                    else {}
                ),
            }
            for name in runs
        },
    }
    registry = registry_of(paths["free"], int8, folder)
    yield {
        "process": {
            name: fresh_process(folder, registry, variant, film[0])
            for name, variant in (("core " + best, "bf16"), ("core int8", "int8"))
        },
    }
    if ultralytics:
        yield {"ultralytics": measure_ultralytics(folder, film, confidence, rounds)}


# ---- the film, the model ----


def scenes(count: int) -> Iterator[Bgr]:
    """Textured boxes that wander over a textured ground."""
    random = np.random.default_rng(1)
    ground = cv2.resize(random.integers(40, 200, (30, 40, 3), np.uint8), SIZE[::-1])
    texture = random.integers(0, 256, (12, 6, 3), np.uint8)
    places, steps = random.uniform(0, 1, (8, 2)), random.uniform(-0.02, 0.02, (8, 2))
    for _ in range(count):
        frame = ground.copy()
        for x, y in places:
            left, top = int(x * 560), int(y * 300)
            frame[top : top + 180, left : left + 80] = cv2.resize(texture, (80, 180))
        places += steps
        steps[(places < 0) | (places > 1)] *= -1
        places = np.clip(places, 0, 1)
        yield frame.astype(np.uint8)


def threshold(model: Path, jpeg: bytes) -> float:
    """The score that leaves `CANDIDATES` boxes: random weights know no sense of their own."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model))
    tensor = np.empty((1, 3, *SIZE), np.float32)
    write_tensor(decode_image(jpeg, LIMITS), Yolov8Decoder.form, tensor)
    [output] = session.run(None, {"images": tensor})
    return float(np.sort(output[0, 4:].max(axis=0))[-CANDIDATES])


def quantized(model: Path, film: Sequence[bytes], folder: Path) -> Path:
    """INT8 as `hearth models variants` makes it, as OpenVINO IR."""
    pictures = [decode_image(jpeg, LIMITS) for jpeg in film[::4]]
    target = folder / "int8.xml"
    quantize(model, target, pictures, Yolov8Decoder.form, SIZE, keep_last=False)
    return target


def registry_of(model: Path, int8: Path, folder: Path) -> Registry:
    """The model with its variants, as `hearth models variants` keeps them."""
    registry = Registry(Folder(folder / "models"))
    record = admit(model, "yolov8n", model.name, CLASSES, "none", utc_text())
    record = registry.add(record, model)
    float32 = folder / "openvino.xml"
    convert(model, float32)
    variants = []
    for name, graph in (("bf16", float32), ("int8", int8)):
        paths = (graph, graph.with_suffix(".bin"))
        files = {file_record(p, f"{record.folder}/{graph.stem}{p.suffix}"): p for p in paths}
        for file, path in files.items():
            registry.files.add(file.file, path)
        variants.append(
            VariantRecord(
                name=name,  # type: ignore[arg-type]
                files=tuple(files),
                precision="auto",
                method="of the benchmark",
                agreement=None,
                accepted=True,
                reason="random weights show nothing",
                speed=None,
                processor="unknown",
                made_at=utc_text(),
            )
        )
    registry.save(record.model_copy(update={"variants": tuple(variants)}))
    return registry


# ---- what is measured ----


def bare(model: Path, size: tuple[int, int], confidence: float) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_share()
    session = onnxruntime.InferenceSession(str(model), options)
    decoder, tensor = Yolov8Decoder(), np.empty((1, 3, *size), np.float32)

    def run(jpegs: Sequence[bytes]) -> list[Detections]:
        answers = []
        for jpeg in jpegs:
            picture, placement = letterbox(decode_image(jpeg, LIMITS), size, centred=True)
            write_tensor(picture, decoder.form, tensor)
            output = session.run(None, {"images": tensor})[0]
            boxes, scores, class_ids = decoder.decode(output, confidence)
            kept = suppress(boxes, scores, class_ids, 0.45, 50)
            boxes = placement.to_source(boxes[kept])
            answers.append(Detections(boxes, scores[kept], class_ids[kept]))
        return answers

    return run


def batches(detector: Detector, pool: ThreadPoolExecutor) -> Run:
    """As the function does it: a queue's batch at a time, decoded by threads."""

    def run(jpegs: Sequence[bytes]) -> list[Detections]:
        answers: list[Detections] = []
        for start in range(0, len(jpegs), BATCH):
            futures = [
                pool.submit(decode_image, jpeg, LIMITS) for jpeg in jpegs[start : start + BATCH]
            ]
            answers += detector.detect(future.result() for future in futures)
        return answers

    return run


def in_turn(
    runs: dict[str, Callable[[], object]], rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of each by the clock and of the processor, the medians of the rounds."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    worked: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            began, work = time.perf_counter(), time.process_time()
            run()
            taken[name].append(time.perf_counter() - began)
            worked[name].append(time.process_time() - work)
    clock = {name: statistics.median(values) for name, values in taken.items()}
    return clock, {name: statistics.median(values) for name, values in worked.items()}


def one_by_one(runs: dict[str, Run], film: Sequence[bytes]) -> dict[str, float]:
    """Seconds of one frame alone, the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(film[:1])
    for jpeg in film:
        for name, run in runs.items():
            time.sleep(0.03)  # the threads of the one before spin for a while
            began = time.perf_counter()
            run([jpeg])
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in taken.items()}


def network_only(detector: Detector, film: Sequence[bytes]) -> Callable[[], object]:
    """The film's inferences alone, in the same batches."""
    assert isinstance(detector, OnnxDetector)
    program = detector._program
    size = SIZE if program.rectangular else program.size
    picture, _ = letterbox(decode_image(film[0], LIMITS), size, centred=True)

    def run() -> None:
        for start in range(0, len(film), BATCH):
            for _ in program.run_many(picture for _ in film[start : start + BATCH]):
                pass

    return run


# ---- a process of its own ----


def fresh_process(folder: Path, registry: Registry, variant: str, jpeg: bytes) -> dict[str, Any]:
    """Start to first answer, with and without the compile cache, and the peak of memory."""
    registry.promote(registry.find("yolov8n"), variant)
    (folder / "first.jpg").write_bytes(jpeg)
    cache = folder / f"cache-{variant}"
    cache.mkdir(mode=0o700)
    arguments = [str(folder / "models"), str(cache), str(folder / "first.jpg")]
    script = str(Path(__file__).with_name("detector_start.py"))

    def start() -> dict[str, Any]:
        answer = subprocess.run(
            [sys.executable, script, str(time.monotonic()), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return dict(json.loads(answer.stdout))

    first = start()
    later = [start() for _ in range(5)]
    return {
        "cold_start_s": round(first["seconds"], 2),
        "cold_start_processor_s": round(first["processor"], 2),
        "cold_start_cached_s": round(statistics.median(one["seconds"] for one in later), 2),
        "cold_start_cached_processor_s": round(min(one["processor"] for one in later), 2),
        "peak_memory_mb": max(one["memory_mb"] for one in [first, *later]),
    }


# ---- ultralytics ----

PEER = """
import json, os, statistics, sys, time
import cv2, numpy as np, torch
from ultralytics import YOLO
from ultralytics.utils import torch_utils
# Of its own accord it leaves a processor free: one thread of two.
torch_utils.NUM_THREADS = int(sys.argv[3])
torch.set_num_threads(int(sys.argv[3]))
film = [cv2.imdecode(np.frombuffer(open(p, "rb").read(), np.uint8), cv2.IMREAD_COLOR)
        for p in sorted(__import__("glob").glob(sys.argv[1] + "/*.jpg"))]
jpegs = [open(p, "rb").read() for p in sorted(__import__("glob").glob(sys.argv[1] + "/*.jpg"))]
native = YOLO("yolov8n.yaml", task="detect")
os.chdir(sys.argv[1])
exported = native.export(format="onnx", imgsz=640, verbose=False)
answer = {}
for name, model in (("pytorch", native), ("onnx", YOLO(exported, task="detect"))):
    def run():
        taken = []
        for jpeg in jpegs:
            began = time.perf_counter()
            image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            model.predict(image, imgsz=640, conf=float(sys.argv[2]), verbose=False, device="cpu")
            taken.append(time.perf_counter() - began)
        return taken
    run()
    work = time.process_time()
    rounds = [run() for _ in range(int(sys.argv[4]))]
    answer[name] = {
        "processor_ms_a_frame": 1000 * (time.process_time() - work) / len(jpegs) / len(rounds),
        "frames_per_second": len(jpegs) / statistics.median(map(sum, rounds)),
        "one_frame_p50_ms": 1000 * statistics.median(sum(rounds, [])),
        "torch_threads": torch.get_num_threads(),
    }
print(json.dumps(answer))
"""


def measure_ultralytics(
    folder: Path, film: Sequence[bytes], confidence: float, rounds: int
) -> dict[str, Any]:
    venv = ROOT / ".venv-ultralytics"
    python = venv / "bin/python"
    if not (venv / "bin/yolo").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        for packages in (["torch==2.13.0"], ["ultralytics", "onnxruntime", "onnx"]):
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    pictures = folder / "film"
    pictures.mkdir()
    for index, jpeg in enumerate(film):
        (pictures / f"{index:03}.jpg").write_bytes(jpeg)
    answer = subprocess.run(
        [python, "-c", PEER, pictures, str(confidence), str(cpu_share()), str(rounds)],
        check=True,
        capture_output=True,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        | {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_CONFIG_DIR": str(folder)},
    )
    return dict(json.loads(answer.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
