"""Makes a model's variants, compares each with the original, and measures its speed."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from hearth.errors import InvalidInput, ModelFailed
from hearth.processor import cpu_features, has_bfloat16
from hearth_models.agreement import compare, judge
from hearth_models.files import file_record
from hearth_models.frames import Frames
from hearth_models.record import (
    ORIGINAL,
    Agreement,
    FileRecord,
    ModelRecord,
    VariantName,
    VariantRecord,
)
from hearth_models.registry import Registry, utc_text
from hearth_vision.class_meaning import Meaning, Thing, meaning_of
from hearth_vision.decoding.end_to_end import EndToEndDecoder
from hearth_vision.decoding.yolov5 import Yolov5Decoder
from hearth_vision.decoding.yolov8 import Yolov8Decoder
from hearth_vision.decoding.yolox import YoloxDecoder
from hearth_vision.detector import Detector, DetectorConfig
from hearth_vision.images import Bgr
from hearth_vision.loading import load_detector
from hearth_vision.onnx_detector import OnnxDetector
from hearth_vision.served_model import Arithmetic, ModelSource

MIN_FRAMES: Final = 20
CONFIDENCE: Final = 0.5
"""The detector's default, so that variants are compared at the threshold in use."""

ROUNDS: Final = 3
MAX_DETECTIONS: Final = 300
_FORMS: Final = {
    Yolov5Decoder.method: Yolov5Decoder.form,
    Yolov8Decoder.method: Yolov8Decoder.form,
    YoloxDecoder.method: YoloxDecoder.form,
    EndToEndDecoder.method: EndToEndDecoder.form,
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Candidate:
    """Files on this machine and how to run them."""

    name: VariantName
    graph: Path
    precision: Arithmetic
    method: str


def make_variants(
    registry: Registry,
    record: ModelRecord,
    frames: Frames,
    *,
    confidence: float = CONFIDENCE,
    say: Say = lambda _: None,
) -> ModelRecord:
    """Make `float32`, `bf16` and `int8`, record them with their agreement, and keep them.

    A variant whose agreement is below the bound is recorded as not accepted.

    Raises:
        InvalidInput: Too few frames, or a model whose suppression is inside the graph; or OpenVINO
            is not installed.
        ModelFailed: The original or OpenVINO fails.
    """
    if find_spec("openvino") is None:
        raise InvalidInput(
            "OpenVINO, which makes and runs variants, is not installed here, as in the functions' "
            "images: they run the original; make variants in the project's folder, where functions "
            "run as processes"
        )
    if len(frames.images) < MIN_FRAMES:
        raise InvalidInput(
            f"{frames.source}: {len(frames.images)} frames; at least {MIN_FRAMES} are needed to "
            f"calibrate and to compare"
        )
    calibration, held_out = frames.split()
    with tempfile.TemporaryDirectory(prefix="hearth-models-") as scratch:
        folder = Path(scratch)
        original = registry.files.local(record.original, folder)
        say(f"{len(calibration)} frames to calibrate, {len(held_out)} held out ({frames.source})")
        exact = load_original(original, record, confidence)
        expected = exact.detect(held_out)
        made: dict[VariantName, VariantRecord] = {}
        places: dict[str, Path] = {}
        person = person_class(record)
        for candidate in _candidates(record, original, folder, calibration, say):
            say(f"comparing {candidate.name}")
            detector = _load(candidate.graph, record, candidate, confidence)
            agreement = compare(expected, detector.detect(held_out), confidence, person)
            best = made.get(candidate.name)
            if best is not None and best.agreement and best.agreement.f1 >= agreement.f1:
                continue
            speed = relative_speed(exact, detector, held_out)
            files = _files(record, candidate)
            made[candidate.name] = _recorded(candidate, tuple(files), agreement, speed)
            places.update({file.file: path for file, path in files.items()})
            if candidate.name == "int8" and made["int8"].accepted:
                break  # the next one keeps more in float, and is slower
        for below, path in places.items():
            registry.files.add(below, path)
    changed = record.model_copy(update={"variants": tuple(made.values())})
    registry.save(changed)
    return changed


def load_original(path: Path, record: ModelRecord, confidence: float) -> Detector:
    """The original on ONNX Runtime in float32, with which variants are compared."""
    config = _config(record, confidence)
    return load_detector(
        replace(config, model_path=path, backend="onnxruntime", precision="float32")
    )


def person_class(record: ModelRecord) -> int | None:
    """The class of people, if there is one."""
    person = Meaning(Thing.PERSON)
    meanings = (meaning_of(name) for name in record.classes)
    return next((number for number, found in enumerate(meanings) if found == person), None)


def relative_speed(exact: Detector, other: Detector, images: Sequence[Bgr]) -> float:
    """Frames a second of `other` for each of `exact`, the median of rounds taken in turn."""
    sample = images[:40]
    seconds = rates({"exact": exact, "other": other}, sample)
    return round(seconds["other"] / seconds["exact"], 2)


def rates(detectors: Mapping[str, Detector], images: Sequence[Bgr]) -> dict[str, float]:
    """Frames a second of each, from images in memory to detections: the median of rounds."""
    taken: dict[str, list[float]] = {name: [] for name in detectors}
    for detector in detectors.values():
        detector.detect(images[:2])
    for _ in range(ROUNDS):
        for name, detector in detectors.items():
            began = time.perf_counter()
            detector.detect(images)
            taken[name].append(time.perf_counter() - began)
    return {name: len(images) / statistics.median(seconds) for name, seconds in taken.items()}


def bench(
    registry: Registry, record: ModelRecord, images: Sequence[Bgr], confidence: float = CONFIDENCE
) -> list[dict[str, object]]:
    """Frames a second and latency of the original and every variant, in one run."""
    names = [ORIGINAL, *(variant.name for variant in record.variants)]
    with ExitStack() as stack:
        detectors = {
            name: stack.enter_context(loaded(registry, record, name, confidence)) for name in names
        }
        speed = rates(detectors, images)
        base = speed[ORIGINAL]
        rows: list[dict[str, object]] = []
        for name, detector in detectors.items():
            alone = []
            for image in images[:20]:
                began = time.perf_counter()
                detector.detect([image])
                alone.append((time.perf_counter() - began) * 1000)
            rows.append(
                {
                    "variant": name,
                    "frames_per_second": round(speed[name], 1),
                    "ratio": round(speed[name] / base, 2),
                    "p50_ms_one_frame": round(statistics.median(alone), 1),
                    "precision": detector.info.precision,
                    "backend": detector.info.backend,
                    "detail": detector.info.detail,
                }
            )
        return rows


@contextmanager
def loaded(
    registry: Registry, record: ModelRecord, variant: str, confidence: float
) -> Iterator[Detector]:
    """One variant, or the original, ready to run.

    Raises:
        InvalidInput: There is no such variant.
    """
    with tempfile.TemporaryDirectory(prefix="hearth-models-") as scratch:
        folder = Path(scratch)
        if variant == ORIGINAL:
            path = registry.files.local(record.original, folder)
            yield load_original(path, record, confidence)
            return
        found = record.variant(variant)
        if found is None:
            names = ", ".join([ORIGINAL, *(one.name for one in record.variants)])
            raise InvalidInput(f"{record.id} has no variant {variant}; it has {names}")
        graph, _ = [registry.files.local(file, folder) for file in found.files]
        yield _load(graph, record, found, confidence)


def _candidates(
    record: ModelRecord, original: Path, folder: Path, calibration: Sequence[Bgr], say: Say
) -> Iterator[_Candidate]:
    from hearth_models import conversion  # drags in OpenVINO, which not every place has

    say("converting")
    graph = folder / "openvino.xml"
    conversion.convert(original, graph)
    version = conversion.openvino_version()
    yield _Candidate("float32", graph, "float32", f"OpenVINO {version}")
    if has_bfloat16():
        yield _Candidate("bf16", graph, "auto", f"OpenVINO {version}, computed in bfloat16")
    else:
        say("bf16 is left out: this processor does not compute in bfloat16")
    form = _FORMS.get(record.family)
    if form is None or record.input_size is None:
        say(f"int8 is left out: a {record.family} of that input is not calibrated")
        return
    for keep_last in (False, True):
        say("quantizing" + (" again, the last convolutions kept" if keep_last else ""))
        target = folder / f"int8-{int(keep_last)}.xml"
        try:
            method = conversion.quantize(
                original, target, calibration, form, record.input_size, keep_last=keep_last
            )
        except ModelFailed as error:
            # The other variants are worth having; what is missing is told and not recorded.
            say(f"int8 is left out: {error.message}")
            return
        yield _Candidate("int8", target, "auto", method)


class _HowToRun(Protocol):
    @property
    def name(self) -> VariantName: ...
    @property
    def precision(self) -> Arithmetic: ...


def _load(graph: Path, record: ModelRecord, how: _HowToRun, confidence: float) -> Detector:
    """A variant, on OpenVINO."""
    source = ModelSource(
        record.name,
        graph,
        record.original.sha256,
        record.classes,
        record.input_size,
        openvino=True,
        precision=how.precision,
        model_id=record.id,
        variant=how.name,
    )
    return OnnxDetector(graph, _config(record, confidence), source)


def _config(record: ModelRecord, confidence: float) -> DetectorConfig:
    return DetectorConfig(
        classes=record.classes, confidence=confidence, max_detections=MAX_DETECTIONS
    )


def _recorded(
    candidate: _Candidate, files: tuple[FileRecord, ...], agreement: Agreement, speed: float
) -> VariantRecord:
    accepted, reason = judge(agreement)
    return VariantRecord(
        name=candidate.name,
        files=files,
        precision=candidate.precision,
        method=candidate.method,
        agreement=agreement,
        accepted=accepted,
        reason=reason,
        speed=speed,
        processor=" ".join(cpu_features()) or "unknown",
        made_at=utc_text(),
    )


def _files(record: ModelRecord, candidate: _Candidate) -> dict[FileRecord, Path]:
    """Graph and weights, as the registry keeps them, and where they lie now."""
    stem = "int8" if candidate.name == "int8" else "openvino"
    paths = (candidate.graph, candidate.graph.with_suffix(".bin"))
    return {file_record(path, f"{record.folder}/{stem}{path.suffix}"): path for path in paths}
