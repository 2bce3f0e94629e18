"""Reads a frozen TensorFlow graph (a GraphDef in protobuf) without TensorFlow.

Field numbers are those of tensorflow/core/framework: graph.proto, node_def.proto, attr_value.proto,
tensor.proto and tensor_shape.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hearth.errors import InvalidInput

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TYPES: Final[Mapping[int, type[np.generic]]] = {1: np.float32, 3: np.int32, 9: np.int64}
_STRING = 7


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes:
        inputs: Names of the nodes whose outputs it takes.
        attributes: Those of the kinds int, float, bytes, tensor and list of ints; others are left
            out.
    """

    operation: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


def read_graph(data: bytes) -> dict[str, Node]:
    """The nodes of a graph by name.

    Raises:
        InvalidInput: It is no such graph.
    """
    try:
        return dict(_node(value) for number, value in _fields(data) if number == 1)
    except (IndexError, KeyError, ValueError, TypeError, AttributeError, struct.error) as error:
        raise InvalidInput(f"this is not a frozen TensorFlow graph: {error!r}") from error


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, position
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a message; a varint as an int, all else as bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, position = _varint(data, position)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[kind]
        yield key >> 3, data[position : position + size]
        position += size


def _node(data: bytes) -> tuple[str, Node]:
    name, operation = "", ""
    inputs: list[str] = []
    attributes: dict[str, Any] = {}
    for number, value in _fields(data):
        if number == 1:
            name = value.decode()
        elif number == 2:
            operation = value.decode()
        elif number == 3:
            inputs.append(value.decode())
        elif number == 5:
            entry = dict(_fields(value))
            attribute = _attribute(entry.get(2, b""))
            if attribute is not None:
                attributes[entry[1].decode()] = attribute
    return name, Node(operation, tuple(inputs), attributes)


def _attribute(data: bytes) -> Any:
    for number, value in _fields(data):
        if number == 2:
            return value
        if number == 3:
            return _signed(value)
        if number == 4:
            return struct.unpack("<f", value)[0]
        if number == 8:
            return _tensor(value)
        if number == 1:
            return [n for number, item in _fields(value) if number == 3 for n in _integers(item)]
    return None


def _tensor(data: bytes) -> NDArray[Any] | None:
    """The array; None for one of another kind than numbers."""
    kind, shape, content = 0, [], b""
    numbers: list[float] = []
    for number, value in _fields(data):
        if number == 1:
            kind = value
        elif number == 2:
            shape = [_signed(dict(_fields(size)).get(1, 0)) for n, size in _fields(value) if n == 2]
        elif number == 4:
            content = value
        elif number == 5:
            numbers += struct.unpack(f"<{len(value) // 4}f", value)
        elif number in (7, 10):
            numbers += _integers(value)
    if kind not in _TYPES:
        return None
    if content:
        array = np.frombuffer(content, _TYPES[kind])
    else:
        # One number stands for a whole tensor of it.
        array = np.resize(np.asarray(numbers or [0], _TYPES[kind]), int(np.prod(shape)))
    return array.reshape(shape)


def _integers(value: int | bytes) -> list[int]:
    """Of a field that is packed, or is one of many."""
    if isinstance(value, int):
        return [_signed(value)]
    found, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        found.append(_signed(number))
    return found


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
