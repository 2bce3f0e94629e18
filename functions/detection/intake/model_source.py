"""Loads the model in force, and reloads it when another one is promoted."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from hearth.errors import HearthError, InvalidInput, ModelFailed, NotFound
from hearth.logging import logger
from hearth_vision.detector import Detector, DetectorConfig
from hearth_vision.loading import load_detector
from hearth_vision.onnx_file import MAX_BYTES
from hearth_vision.served_model import MAX_SERVED_BYTES, SERVED, parse_served

REFRESH_S: Final = 60.0
"""How long another promoted model may go unnoticed."""

REGISTRY: Final = "models/"
"""Prefix of the registry in the bucket, unless MODEL_PATH names another."""


class Objects(Protocol):
    def get(self, key: str, max_bytes: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Promoted:
    """The promoted model of a registry; without a folder it is the bucket's."""

    manifest: bytes
    folder: Path | None = None


class ModelSource:
    """The detector of one setting, loaded on first use and again when a registry promotes another.

    Args:
        setting: ONNX file, a registry's folder, or `s3://bucket/models`, whose lack of a promoted
            model is an error. Empty, or a folder in which nothing is promoted, means `models/` of
            `bucket`, and the built-in detector while nothing is promoted there either.
        config: Builds the rest of the configuration; `model_path` is filled in here.
        bucket: The only bucket that this function may read.
        objects: Connects to the bucket; called on first use.
        clock: Monotonic seconds.
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
        self._promoted: _Promoted | None = None
        self._detector: Detector | None = None

    def current(self) -> Detector:
        """The detector in force.

        When another model was promoted and cannot be loaded, the loaded one goes on: every answer
        names it, and no frame fails.

        Raises:
            ModelFailed, InvalidInput, NotFound, Unavailable: no model can be loaded.
        """
        now = self._clock()
        if self._detector is None:
            self._detector = self._load(self._read())
        elif now - self._read_at >= REFRESH_S:
            self._refresh()
        else:
            return self._detector
        self._read_at = now
        return self._detector

    def _refresh(self) -> None:
        try:
            promoted = self._read()
            if promoted is None and self._promoted is not None:
                raise NotFound(f"{SERVED} has gone from the registry; promote a model again")
            if promoted != self._promoted:
                self._detector = self._load(promoted)
        except HearthError as error:
            logger.error("the promoted model is not taken", reason=error.message, code=error.code)

    def _read(self) -> _Promoted | None:
        """The promoted model at MODEL_PATH; None for a file, or where nothing is promoted."""
        named = self._setting.startswith("s3://")
        if self._setting and not named:
            folder = Path(self._setting)
            try:
                return _Promoted((folder / SERVED).read_bytes(), folder)
            except (FileNotFoundError, NotADirectoryError):
                if not folder.is_dir():
                    return None
            except OSError as error:
                raise ModelFailed(f"{folder / SERVED} cannot be read: {error.strerror}") from error
        try:
            key = f"{self._prefix()}{SERVED}"
            return _Promoted(self._objects().get(key, MAX_SERVED_BYTES))
        except NotFound:
            if named:
                raise
            return None

    def _load(self, promoted: _Promoted | None) -> Detector:
        config, path = self._config(), Path(self._setting)
        if promoted is not None and promoted.folder is None:
            detector = self._from_bucket(config, promoted.manifest)
        elif promoted is None and (not self._setting or path.is_dir()):
            detector = load_detector(config)
        else:
            detector = load_detector(replace(config, model_path=path))
        self._promoted = promoted
        info = detector.info
        logger.info("model loaded", model=info.model_id or info.name, detail=info.detail)
        return detector

    def _from_bucket(self, config: DetectorConfig, manifest: bytes) -> Detector:
        """Load from temporary copies: a compiled network needs its files no more."""
        prefix = self._prefix()
        served = parse_served(manifest, f"s3://{self._bucket}/{prefix}{SERVED}")
        with tempfile.TemporaryDirectory(prefix="hearth-model-") as scratch:
            folder = Path(scratch)
            (folder / SERVED).write_bytes(manifest)
            for recorded in served.files:
                path = folder / recorded.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._objects().get(prefix + recorded.file, MAX_BYTES))
            return load_detector(replace(config, model_path=folder))

    def _prefix(self) -> str:
        if not self._setting.startswith("s3://"):
            return REGISTRY
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
