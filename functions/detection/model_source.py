"""Where the model comes from, and when another one takes its place."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from hearth.errors import HearthError, InvalidInput
from hearth.logging import logger
from hearth_vision.detector import Detector, DetectorConfig
from hearth_vision.loading import load_detector
from hearth_vision.onnx_file import MAX_BYTES
from hearth_vision.served_model import MAX_SERVED_BYTES, SERVED, parse_served

REFRESH_S: Final = 60.0
"""How long it may go unnoticed that another model was promoted."""


class Objects(Protocol):
    def get(self, key: str, max_bytes: int) -> bytes: ...


class ModelSource:
    """The detector of one setting, loaded on first use; of a registry, again when it says so.

    Args:
        setting: ONNX file, a registry's folder, `s3://bucket/models`, or empty for the built-in
            detector.
        config: What else there is to say; its `model_path` is ours to set.
        bucket: The only bucket that this function may read.
        objects: Gives access to it; called on first need.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        setting: str,
        config: Callable[[], DetectorConfig],
        bucket: str,
        objects: Callable[[], Objects],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setting = setting
        self._config = config
        self._bucket = bucket
        self._objects = objects
        self._clock = clock
        self._read_at = 0.0
        self._manifest: bytes | None = None
        self._detector: Detector | None = None

    def current(self) -> Detector:
        """The detector in force.

        When another model was promoted and cannot be loaded, the one that is loaded goes on: it
        names itself in every answer, and frames are not failed for it.

        Raises:
            ModelFailed, InvalidInput, NotFound, Unavailable: There is none to load.
        """
        now = self._clock()
        if self._detector is None:
            self._detector = self._load()
        elif self._manifest is not None and now - self._read_at >= REFRESH_S:
            self._refresh()
        else:
            return self._detector
        self._read_at = now
        return self._detector

    def _refresh(self) -> None:
        before = self._manifest
        try:
            if self._read_manifest() != before:
                self._detector = self._load()
        except HearthError as error:
            self._manifest = before
            logger.error("the promoted model is not taken", reason=error.message, code=error.code)

    def _load(self) -> Detector:
        config = self._config()
        if not self._setting:
            return self._told(load_detector(config))
        if self._setting.startswith("s3://"):
            return self._told(self._from_bucket(config))
        path = Path(self._setting)
        if path.is_dir():
            self._manifest = self._read_manifest()
        return self._told(load_detector(replace(config, model_path=path)))

    def _told(self, detector: Detector) -> Detector:
        info = detector.info
        logger.info("model loaded", model=info.model_id or info.name, detail=info.detail)
        return detector

    def _read_manifest(self) -> bytes | None:
        if self._setting.startswith("s3://"):
            return self._objects().get(f"{self._prefix()}{SERVED}", MAX_SERVED_BYTES)
        try:
            return (Path(self._setting) / SERVED).read_bytes()
        except OSError:
            return None  # the loader says what is missing

    def _from_bucket(self, config: DetectorConfig) -> Detector:
        """Load from copies, which may go as soon as the network is compiled."""
        prefix = self._prefix()
        manifest = self._objects().get(f"{prefix}{SERVED}", MAX_SERVED_BYTES)
        served = parse_served(manifest, f"{self._setting}/{SERVED}")
        with tempfile.TemporaryDirectory(prefix="hearth-model-") as scratch:
            folder = Path(scratch)
            (folder / SERVED).write_bytes(manifest)
            for recorded in served.files:
                path = folder / recorded.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._objects().get(prefix + recorded.file, MAX_BYTES))
            detector = load_detector(replace(config, model_path=folder))
        self._manifest = manifest
        return detector

    def _prefix(self) -> str:
        bucket, _, prefix = self._setting.removeprefix("s3://").partition("/")
        prefix = prefix.rstrip("/")
        if not prefix or prefix.endswith((".json", ".onnx")):
            raise InvalidInput(
                f"MODEL_PATH {self._setting!r} names no registry; use s3://bucket/models"
            )
        if bucket != self._bucket:
            raise InvalidInput(
                f"MODEL_PATH {self._setting!r} lies in another bucket; put it into "
                f"{self._bucket!r} with `hearth models … --bucket {self._bucket}`"
            )
        return f"{prefix}/"
