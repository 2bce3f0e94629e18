"""What a detector is: its configuration, what it says of itself, and the one thing it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from hearth_vision.detections import Detections
from hearth_vision.images import Bgr

Backend = Literal["auto", "onnxruntime", "openvino"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """What to load.

    Attributes:
        model_path: ONNX file of a YOLOv8, YOLO11 or YOLOX detector, or the folder of a registry of
            models; None means OpenCV's HOG.
        classes: Class names in the model's order; empty means those in the file's metadata.
        backend: What runs it. `auto` is OpenVINO where it is installed and compiles the graph.
        confidence: Detections that score lower are dropped, 0..1.
        iou: Overlap from which the lower of two boxes of one class is dropped, 0..1.
        max_detections: At most so many for one picture, the highest scores.
        threads: Threads for one inference; None means this process's share of the processors.
        precision: Of the arithmetic, where the backend has a choice.
        cache: Folder for compiled programs, this user's alone; None keeps none.
    """

    model_path: Path | None = None
    classes: tuple[str, ...] = ()
    backend: Backend = "auto"
    confidence: float = 0.5
    iou: float = 0.45
    max_detections: int = 50
    threads: int | None = None
    precision: Precision = "auto"
    cache: Path | None = None


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
        model_id: In the registry of models; None for a model that is in none.
        variant: `original`, or the registry's `float32`, `bf16` or `int8`.
        precision: Of the arithmetic: `float32`, `bfloat16`, `int8 and float32`, …; None where
            there is no network.
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
