"""The detector port, its configuration and its description."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from hearth_vision.detections import Detections
from hearth_vision.images import Bgr

Backend = Literal["auto", "onnxruntime", "openvino"]
Precision = Literal["auto", "float32", "bfloat16"]


DEFAULT_CONFIDENCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Configuration of a detector.

    Attributes:
        model_path: ONNX file of a YOLO or DETR detector, or the folder of a registry of
            models; None means `default_models`.
        classes: Class names in the model's order; empty means those in the file's metadata.
        backend: Inference runtime. `auto` is OpenVINO where it is installed and compiles the graph.
        confidence: Detections that score lower are dropped, 0..1; None means 0.5, and of the model
            that Hearth brings its own threshold.
        iou: Overlap from which the lower of two boxes of one class is dropped, 0..1.
        max_detections: At most so many for one image, the highest scores.
        threads: Threads for one inference; None means this process's share of the processors.
        precision: Precision of the arithmetic, where the backend has a choice.
        cache: Folder for compiled programs, this user's alone; None keeps none.
        default_models: Folder with the model that Hearth brings; where it is not, OpenCV's HOG
            stands in.
    """

    model_path: Path | None = None
    classes: tuple[str, ...] = ()
    backend: Backend = "auto"
    confidence: float | None = None
    iou: float = 0.45
    max_detections: int = 50
    threads: int | None = None
    precision: Precision = "auto"
    cache: Path | None = None
    default_models: Path | None = None

    def threshold(self, default: float = DEFAULT_CONFIDENCE) -> float:
        """The confidence in force, with what a model takes where none was given."""
        return default if self.confidence is None else self.confidence


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """Description of a detector; stored with every result.

    Attributes:
        name: The model's file name without its suffix, or the method.
        sha256: Of the model file, hexadecimal; None without a file.
        method: `yolov8-onnx`, `yolox-onnx`, `ssdlite-onnx`, `opencv-hog`, …
        backend: `onnxruntime`, `openvino` or `opencv`.
        detail: Backend version, precision, threads and processor features, for people.
        classes: Class names; `Detections.class_ids` index them.
        input_size: (height, width) in pixels that the model sees; None where it varies.
        confidence: The threshold in use, 0..1.
        iou: The overlap threshold in use, 0..1.
        fallback: Whether this replaces a model that is not configured.
        notes: Caveats for readers of the results.
        model_id: Id in the registry of models; None for a model outside it.
        variant: `original`, or the registry's `float32`, `bf16` or `int8`.
        precision: Precision of the arithmetic: `float32`, `bfloat16`, `int8 and float32`, …; None
            where there is no network.
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
    model_id: str | None = None
    variant: str = "original"
    precision: str | None = None


class Detector(Protocol):
    """Finds objects on images."""

    @property
    def info(self) -> DetectorInfo: ...

    def detect(self, images: Iterable[Bgr]) -> list[Detections]:
        """The detections of each image, in order.

        The iterable is advanced while earlier images are being processed, so that
        decoding overlaps inference.

        Args:
            images: Each (H, W, 3) uint8, BGR.
        """
        ...
