"""The one way to get a detector: a configuration in, something that finds objects out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from hearth.errors import InvalidInput, ModelFailed
from hearth_vision.detections import Detections
from hearth_vision.images import Bgr

Backend = Literal["auto", "onnxruntime", "openvino"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What to load.

    Attributes:
        model_path: ONNX file of a YOLOv8, YOLO11 or YOLOX detector; None means OpenCV's HOG.
        classes: Class names in the model's order; empty means those in the file's metadata.
        backend: What runs it. `auto` is OpenVINO where it is installed and compiles the graph.
        confidence: Detections that score lower are dropped, 0..1.
        iou: Overlap from which the lower of two boxes of one class is dropped, 0..1.
        max_detections: At most so many for one picture, the highest scores.
        threads: Threads for one inference; None means this process's share of the processors.
        precision: Of the arithmetic, where the backend has a choice.
    """

    model_path: Path | None = None
    classes: tuple[str, ...] = ()
    backend: Backend = "auto"
    confidence: float = 0.5
    iou: float = 0.45
    max_detections: int = 50
    threads: int | None = None
    precision: Precision = "auto"


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """How answers are made; it travels with every answer.

    Attributes:
        name: The model's file name without its suffix, or the method.
        sha256: Of the model file, hexadecimal; None without a file.
        method: `yolov8-onnx`, `yolox-onnx` or `opencv-hog`.
        backend: `onnxruntime`, `openvino` or `opencv`.
        detail: Backend version, precision, threads and processor features, for people.
        classes: Class names; `Detections.class_ids` index them.
        input_size: (height, width) in pixels that the model sees; None where it varies.
        confidence: The threshold in use, 0..1.
        iou: The overlap threshold in use, 0..1.
        fallback: Whether this stands in for a model that is not there.
        notes: What a reader of the answers must know.
    """

    name: str
    sha256: str | None
    method: str
    backend: str
    detail: str
    classes: tuple[str, ...]
    input_size: tuple[int, int] | None
    confidence: float
    iou: float
    fallback: bool
    notes: tuple[str, ...]


class Detector(Protocol):
    """Finds objects on pictures."""

    @property
    def info(self) -> DetectorInfo: ...

    def detect(self, images: Iterable[Bgr]) -> list[Detections]:
        """One answer for each picture, in order.

        A generator is drawn from while the pictures before it are being worked on, so that
        decoding overlaps inference.

        Args:
            images: Each (H, W, 3) uint8, BGR.
        """
        ...


def class_names(setting: str) -> tuple[str, ...]:
    """Names from a setting: a file with one a line, or the names separated by commas.

    Raises:
        ModelFailed: The file cannot be read, or a name is empty or given twice.
    """
    path = Path(setting.strip())
    text = setting
    if setting.strip() and "," not in setting and path.is_file():
        try:
            text = path.read_text(encoding="utf-8").replace("\n", ",").strip().rstrip(",")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFailed(f"Class names {path} cannot be read: {error}") from error
    if not text.strip():
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ModelFailed(f"Class name {names.index('') + 1} of {len(names)} is empty")
    for name in names:
        if names.count(name) > 1:
            raise ModelFailed(f"Class name {name!r} is given twice")
        if "/" in name:
            raise ModelFailed(f"Class names {name!r} is neither a file nor a class name")
    return names


def load_detector(config: DetectorConfig) -> Detector:
    """Build the detector and try it out, so that a broken model is refused here.

    Raises:
        InvalidInput: A threshold or count outside its range.
        ModelFailed: The model is missing, broken, or answers nonsense.
    """
    _check(config)
    # Imported here: the one in use is all that a cold start pays for.
    if config.model_path is None:
        from hearth_vision.hog import HogDetector

        return HogDetector(config)
    from hearth_vision.onnx_detector import OnnxDetector

    return OnnxDetector(config.model_path, config)


def _check(config: DetectorConfig) -> None:
    for name, share in (("confidence", config.confidence), ("iou", config.iou)):
        if not 0 < share <= 1:
            raise InvalidInput(f"{name} must lie in 0..1 and be above 0, not {share}")
    if not 1 <= config.max_detections <= 1000:
        raise InvalidInput(f"max_detections must lie in 1..1000, not {config.max_detections}")
    if config.threads is not None and not 1 <= config.threads <= 256:
        raise InvalidInput(f"threads must lie in 1..256, not {config.threads}")
