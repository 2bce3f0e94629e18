"""Reads which model of a registry is served, and rejects files that are not the recorded ones.

A registry is a folder (`hearth_models` writes it). `served.json` names the model and the variant in
force; the same bytes lie under `models/` of a bucket.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from hearth.errors import ModelFailed
from hearth_vision.onnx_file import MAX_BYTES, read_onnx_file

SERVED = "served.json"
SCHEMA_VERSION = 1
MAX_SERVED_BYTES = 1_000_000

Arithmetic = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file of the registry: its path below the registry's folder, and sha256, hexadecimal."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What the detector needs of a record.

    Attributes:
        model_id: Name and the first digits of the hash, `helmets@1f0c…`.
        variant: `original`, `float32`, `bf16` or `int8`.
        precision: Of the arithmetic outside what is quantized; `auto` is bfloat16 where the
            processor has it.
        classes: Names in the model's order.
        input_size: (height, width), pixels, for a model that leaves it free.
        original: The ONNX file.
        program: OpenVINO's files (graph, weights) of a variant; empty for the original.
    """

    model_id: str
    variant: str
    precision: Arithmetic
    classes: tuple[str, ...]
    input_size: tuple[int, int] | None
    original: RecordedFile
    program: tuple[RecordedFile, ...]

    @property
    def files(self) -> tuple[RecordedFile, ...]:
        """Every file that may be run."""
        return (self.original, *self.program)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model to load, whichever way it was named.

    Attributes:
        name: For people, and in answers.
        program: The file to compile: ONNX, or OpenVINO's graph.
        sha256: Of the original ONNX file, hexadecimal.
        classes: Names; empty where nothing names them.
        input_size: (height, width) for a model that leaves it free; None where it is not known.
        openvino: Whether only OpenVINO runs it.
        precision: Asked for by the record; None without one.
        model_id: In the registry; None without one.
        variant: `original` without a registry.
        notes: What a reader of its answers must know.
    """

    name: str
    program: Path
    sha256: str
    classes: tuple[str, ...]
    input_size: tuple[int, int] | None
    openvino: bool = False
    precision: Arithmetic | None = None
    model_id: str | None = None
    variant: str = "original"
    notes: tuple[str, ...] = ()


def model_source(path: Path, classes: tuple[str, ...], *, openvino: bool) -> ModelSource:
    """What to load for a path.

    Args:
        path: ONNX file; folder of a registry, or its `served.json`.
        classes: Names from the settings; empty means those of the file or the record.
        openvino: Whether OpenVINO may run it. Without it the original stands in for a variant that
            needs it, and a note says so.

    Raises:
        ModelFailed: Missing, broken, not what was recorded, or made for another task.
    """
    if path.is_dir() or path.suffix == ".json":
        return _from_registry(path, classes, openvino=openvino)
    file = read_onnx_file(path)
    task = file.metadata.get("task", "detect")
    if task != "detect":
        raise ModelFailed(f"model {path.name}: it is made for {task!r}, not for 'detect'")
    return ModelSource(path.stem, path, file.sha256, classes or file.classes, file.input_size)


def _from_registry(path: Path, classes: tuple[str, ...], *, openvino: bool) -> ModelSource:
    manifest = path / SERVED if path.is_dir() else path
    served = read_served(manifest)
    if classes and classes != served.classes:
        raise ModelFailed(
            f"model {served.model_id}: class names are given, and differ from the "
            f"{len(served.classes)} of its record; leave them out"
        )
    use = served.program if served.program and openvino else (served.original,)
    for recorded in use:
        verify_file(manifest.parent, recorded, served.model_id)
    notes: tuple[str, ...] = ()
    variant, precision = served.variant, served.precision
    if served.program and not openvino:
        notes = (
            f"Variant {served.variant} needs OpenVINO, which may not or cannot be used here: the "
            f"original is used",
        )
        variant, precision = "original", "auto"
    return ModelSource(
        served.model_id.partition("@")[0],
        manifest.parent / use[0].file,
        served.original.sha256,
        served.classes,
        served.input_size,
        openvino=bool(served.program) and openvino,
        precision=precision,
        model_id=served.model_id,
        variant=variant,
        notes=notes,
    )


def read_served(manifest: Path) -> ServedModel:
    """The model in force.

    Raises:
        ModelFailed: No model is promoted, or the file cannot be read.
    """
    try:
        if manifest.stat().st_size > MAX_SERVED_BYTES:
            raise ModelFailed(f"{manifest} is larger than {MAX_SERVED_BYTES} bytes")
        data = manifest.read_bytes()
    except FileNotFoundError as error:
        raise ModelFailed(
            f"no model is promoted in {manifest.parent}: `hearth models promote` chooses one"
        ) from error
    except OSError as error:
        raise ModelFailed(f"{manifest} cannot be read: {error.strerror}") from error
    return parse_served(data, str(manifest))


def parse_served(data: bytes, where: str) -> ServedModel:
    """The model in force, from the bytes of `served.json`.

    Raises:
        ModelFailed: They are no such file.
    """
    try:
        document = json.loads(data)
        version = document["schema_version"]
        if version != SCHEMA_VERSION:
            raise ModelFailed(
                f"{where} is of schema version {version}, but this program reads "
                f"{SCHEMA_VERSION}; promote the model again with this program"
            )
        if document["served"] is None:
            raise ModelFailed(f"no model is promoted in {where}: `hearth models promote` does")
        return _served(document["served"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFailed(
            f"{where} is not what `hearth models promote` writes ({type(error).__name__}: "
            f"{error}); promote the model again"
        ) from error


def _served(body: dict[str, Any]) -> ServedModel:
    precision: Arithmetic = body["precision"]
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision {precision!r}")
    size = body["input_size"]
    return ServedModel(
        str(body["model_id"]),
        str(body["variant"]),
        precision,
        tuple(str(name) for name in body["classes"]),
        (int(size[0]), int(size[1])) if size else None,
        _recorded(body["original"]),
        tuple(_recorded(file) for file in body["program"]),
    )


def _recorded(body: dict[str, str]) -> RecordedFile:
    path = PurePosixPath(body["file"])
    # Nobody but us writes it; but a bucket's manifest must not name files outside its folder.
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"file {body['file']!r}")
    return RecordedFile(str(path), str(body["sha256"]))


def verify_file(folder: Path, recorded: RecordedFile, model_id: str) -> None:
    """Make sure that a file is the one that was recorded.

    Raises:
        ModelFailed: It is missing, too large, or its bytes have changed.
    """
    path = folder / recorded.file
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelFailed(f"model {path} has {size} bytes; at most {MAX_BYTES} are accepted")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFailed(
            f"model {model_id}: {path} cannot be read: {error.strerror}; add the model again"
        ) from error
    if found != recorded.sha256:
        raise ModelFailed(
            f"model {model_id}: {path} has changed since it was added (sha256 {found[:12]}…, "
            f"recorded {recorded.sha256[:12]}…); remove the model and add it again if that was "
            f"meant"
        )
