"""Builds the configured detector."""

from __future__ import annotations

import json
from pathlib import Path

from hearth.errors import InvalidInput, ModelFailed
from hearth_vision.coco import COCO
from hearth_vision.detector import Detector, DetectorConfig


def class_names(setting: str) -> tuple[str, ...]:
    """Names from a setting: a file or the text itself, one a line, separated by commas, or JSON.

    JSON is a list of names, or an object of indices or names; a byte order mark and quotes around a
    name are left out. `coco` stands for the 80 of COCO.

    Raises:
        ModelFailed: The file cannot be read, or a name is empty or given twice.
    """
    path = Path(setting.strip())
    text = setting
    if setting.strip() and not setting.strip().startswith(("{", "[")) and _is_file(path):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFailed(f"class names {path} cannot be read: {error}") from error
    text = text.removeprefix("\ufeff").strip()
    if not text:
        return ()
    if text.lower() == "coco":
        return COCO
    names = _from_json(text) if text.startswith(("{", "[")) else _separated(text)
    if "" in names:
        raise ModelFailed(f"class name {names.index('') + 1} of {len(names)} is empty")
    for name in names:
        if names.count(name) > 1:
            raise ModelFailed(f"class name {name!r} is given twice")
        if "/" in name:
            raise ModelFailed(f"class names {name!r} is neither a file nor a class name")
    return names


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False  # a long list of names is no path


def _separated(text: str) -> tuple[str, ...]:
    lines = text.replace("\n", ",").rstrip(",").split(",")
    return tuple(line.strip().strip("\"'").strip() for line in lines)


def _from_json(text: str) -> tuple[str, ...]:
    """Names of `["a", "b"]`, `{"0": "a", "1": "b"}` or `{"a": 0, "b": 1}`.

    Raises:
        ModelFailed: It is none of these.
    """
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            pairs = [
                (int(value), key) if isinstance(value, int) else (int(key), value)
                for key, value in found.items()
            ]
            if sorted(index for index, _ in pairs) != list(range(len(pairs))):
                raise ModelFailed(f"class names: the indices do not run from 0 to {len(pairs) - 1}")
            found = [name for _, name in sorted(pairs)]
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFailed(f"class names are not valid JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ModelFailed("class names in JSON must be a list of names or an object of them")
    return tuple(name.strip() for name in found)


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
