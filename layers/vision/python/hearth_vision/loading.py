"""Builds the configured detector."""

from __future__ import annotations

from pathlib import Path

from hearth.errors import InvalidInput, ModelFailed
from hearth_vision.detector import Detector, DetectorConfig


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
            raise ModelFailed(f"class names {path} cannot be read: {error}") from error
    if not text.strip():
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ModelFailed(f"class name {names.index('') + 1} of {len(names)} is empty")
    for name in names:
        if names.count(name) > 1:
            raise ModelFailed(f"class name {name!r} is given twice")
        if "/" in name:
            raise ModelFailed(f"class names {name!r} is neither a file nor a class name")
    return names


def load_detector(config: DetectorConfig) -> Detector:
    """Build the detector and run it once, so that a broken model is rejected here.

    Raises:
        InvalidInput: A threshold or count outside its range.
        ModelFailed: The model is missing, broken, or answers nonsense.
    """
    _check(config)
    # Imported here, so that a cold start loads only the backend in use.
    if config.model_path is not None:
        from hearth_vision.onnx_detector import OnnxDetector

        return OnnxDetector(config.model_path, config)
    from hearth_vision.default_models import PERSONS

    path = PERSONS.find(config.default_models) if config.default_models else None
    if path is not None:
        from hearth_vision.tiled_detector import TiledPersonDetector

        return TiledPersonDetector(path, config)
    from hearth_vision.hog import HogDetector

    return HogDetector(config)


def _check(config: DetectorConfig) -> None:
    for name, share in (("confidence", config.confidence), ("iou", config.iou)):
        if share is not None and not 0 < share <= 1:
            raise InvalidInput(f"{name} must lie in 0..1 and be above 0, not {share}")
    if not 1 <= config.max_detections <= 1000:
        raise InvalidInput(f"max_detections must lie in 1..1000, not {config.max_detections}")
    if config.threads is not None and not 1 <= config.threads <= 256:
        raise InvalidInput(f"threads must lie in 1..256, not {config.threads}")
