"""Settings of detection, read from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from hearth.settings import CoreSettings


class ApiSettings(CoreSettings):
    """What the API needs; each field is the environment variable of the same name in upper case."""

    default_models: Path = Path("models")
    """Folder of the models that Hearth brings, relative to the folder of the code."""
    threads: int | None = Field(None, ge=1, le=256)
    """Threads of one inference; None is this process's share of the processors."""
    policy: str = ""
    """Path or s3://bucket/key. Empty means what the profile requires."""
    site_profile: Literal["home", "worksite"] = "home"
    blur_faces: bool = True
    max_image_bytes: int = Field(20_000_000, ge=1000)
    max_image_pixels: int = Field(40_000_000, ge=1000)


class Settings(ApiSettings):
    """What the queue function needs besides."""

    model_path: str = ""
    """ONNX file, folder of a registry of models, or s3://bucket/models. Empty, or a folder in
    which nothing is promoted, means what is promoted under models/ of the bucket; and while nothing
    is, the model that Hearth brings, which every answer then names."""
    model_classes: str = ""
    """A file with one class name a line, the names themselves separated by commas, or `coco`."""
    model_backend: Literal["auto", "onnxruntime", "openvino"] = "auto"
    model_cache: str = ""
    """Folder for compiled models. Empty is a private one among temporary files, `off` is none."""
    confidence_threshold: float | None = Field(None, gt=0, le=1)
    """None is 0.5, and of the model that Hearth brings its own threshold."""
    iou_threshold: float = Field(0.45, gt=0, le=1)
    max_detections: int = Field(50, ge=1, le=1000)
    evidence_clip_seconds: float = Field(5.0, ge=0, le=30)
    """Seconds before and after the peak frame that a clip beside the evidence shows; 0 is none."""
    site_name: str = Field("", max_length=200)
    site_location: str = Field("", max_length=200)
    company_name: str = Field("", max_length=200)
    fetch_threads: int = Field(4, ge=1, le=32)
    frame_retention_days: int = Field(3, ge=1)
    """After how many days the bucket expires frames; their rows go a day later."""
