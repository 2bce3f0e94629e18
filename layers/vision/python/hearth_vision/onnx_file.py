"""Reads an ONNX file's metadata, without a runtime.

A broken file is rejected here with one message, before native code sees it. Only the outer message
is parsed (ModelProto in onnx.proto3): the graph is skipped over, so a file of 1 GB costs its hash.
"""

from __future__ import annotations

import ast
import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hearth.errors import ModelFailed

MAX_BYTES = 1_000_000_000

_IR_VERSION, _GRAPH, _METADATA = 1, 7, 14  # field numbers of ModelProto
_INITIALIZER, _EXTERNAL_DATA = 5, 13  # of GraphProto, and of TensorProto in it
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_MAX_METADATA = 1_000_000


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """Metadata of a model file.

    Attributes:
        path: Where it lies.
        sha256: Of its bytes, hexadecimal.
        metadata: Written by whoever exported it; ultralytics gives `names`, `task`, `imgsz`.
    """

    path: Path
    sha256: str
    metadata: dict[str, str]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names that the exporter wrote down, in order; empty where there are none.

        Raises:
            ModelFailed: There are some, but they cannot be read.
        """
        text = self.metadata.get("names", "")
        if not text:
            return ()
        names = _literal(text)
        if isinstance(names, dict) and set(names) == set(range(len(names))):
            names = [names[index] for index in range(len(names))]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ModelFailed(
                f"model {self.path.name}: its class names cannot be read ({text[:80]!r}); "
                f"give class names in the settings"
            )
        for name in names:
            if names.count(name) > 1:
                raise ModelFailed(
                    f"model {self.path.name}: its file names class {name!r} twice; give class "
                    f"names that differ"
                )
        return tuple(names)

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) that the exporter wrote down, pixels."""
        size = _literal(self.metadata.get("imgsz", ""))
        match size:
            case [int(height), int(width)]:
                return height, width
            case int(side):
                return side, side
        return None


def read_onnx_file(path: Path) -> OnnxFile:
    """Check a model file and read its description.

    Raises:
        ModelFailed: Missing, unreadable, empty, over 1 GB, or no ONNX file.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ModelFailed(f"model {path} is not a file")
        if size > MAX_BYTES:
            raise ModelFailed(f"model {path} has {size} bytes; at most {MAX_BYTES} are accepted")
        if size == 0:
            raise ModelFailed(f"model {path} is empty (0 bytes)")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                metadata = _parse_model(data)
    except FileNotFoundError as error:
        raise ModelFailed(
            f"model {path} does not exist; give the path of an ONNX file, or none for OpenCV's "
            f"people detector"
        ) from error
    except OSError as error:
        raise ModelFailed(f"model {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelFailed(f"model {path} is not an ONNX file, or is cut short ({error})") from error
    return OnnxFile(path, sha256, metadata)


def has_external_data(path: Path) -> bool:
    """Whether weights of an ONNX file lie in another one.

    Raises:
        ModelFailed: It is no ONNX file.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return any(
                part == _EXTERNAL_DATA
                for field, start, end in _fields(data, 0, len(data))
                if field == _GRAPH
                for inner, first, last in _fields(data, start, end)
                if inner == _INITIALIZER
                for part, _, _ in _fields(data, first, last)
            )
    except ValueError as error:
        raise ModelFailed(f"model {path.name} is not an ONNX file ({error})") from error


def _parse_model(data: mmap.mmap) -> dict[str, str]:
    metadata: dict[str, str] = {}
    seen: set[int] = set()
    for field, start, end in _fields(data, 0, len(data)):
        seen.add(field)
        if field == _METADATA and end - start <= _MAX_METADATA:
            pair = {
                inner: bytes(data[a:b]).decode("utf-8", "replace")
                for inner, a, b in _fields(data, start, end)
            }
            metadata[pair.get(1, "")] = pair.get(2, "")
    if not {_IR_VERSION, _GRAPH} <= seen:
        raise ValueError("it holds no graph")
    return metadata


def _fields(data: mmap.mmap, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Field number, start and end of each value of a protobuf message.

    Raises:
        ValueError: The bytes are no protobuf message of exactly this length.
    """
    while position < end:
        key, position = _varint(data, position, end)
        field, wire_type = key >> 3, key & 7
        start = position
        if wire_type == _VARINT:
            _, position = _varint(data, position, end)
        elif wire_type == _FIXED64:
            position += 8
        elif wire_type == _FIXED32:
            position += 4
        elif wire_type == _BYTES:
            length, start = _varint(data, position, end)
            position = start + length
        else:
            raise ValueError(f"wire type {wire_type} at byte {start}")
        if field == 0 or position > end:
            raise ValueError(f"field {field} at byte {start} runs past the end")
        yield field, start, position


def _varint(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"number at byte {position} is cut short")


def _literal(text: str) -> object:
    """A Python literal, as ultralytics writes its metadata; None for anything else."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
