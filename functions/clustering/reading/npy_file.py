"""Reads NPY, NumPy's own format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.lib import format as npy

from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import field_error
from functions.clustering.reading.buffer import Floats, check_shape, copy_rows, precision
from functions.clustering.rows import column_names

if TYPE_CHECKING:
    from functions.clustering.reading import Progress

PART_BYTES = 4 * 1024 * 1024


def read_npy(stream: BinaryIO, key: str, progress: Progress) -> Table:
    """Read the rows of a two-dimensional array of numbers.

    Raises:
        InvalidInput: The array has another shape or type, or the file is truncated or too long.
        TooLarge: The file has more rows or numbers than a job may have.
    """
    shape, by_columns, dtype = _header(stream, key)
    if dtype.hasobject:
        raise field_error("input", f"{key} holds Python objects (pickle), which are never read")
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise field_error(
            "input", f"{key} holds {dtype}; floats or integers of up to 64 bits are read"
        )
    if len(shape) != 2:
        raise field_error(
            "input", f"{key} has {len(shape)} dimensions; two are read: rows and columns"
        )
    rows, columns = shape
    check_shape(key, rows, columns)
    begins = stream.tell()
    has = stream.seek(0, io.SEEK_END) - begins
    stream.seek(begins)
    needs = rows * columns * dtype.itemsize
    if has < needs:
        whole = has // dtype.itemsize // (rows if by_columns else columns)
        unit, of = ("columns", columns) if by_columns else ("rows", rows)
        raise field_error("input", f"{key} is cut off: it holds {whole} of {of} {unit}")
    if has > needs:
        raise field_error("input", f"{key} goes on for {has - needs} bytes after its last row")
    buffer: Floats = np.empty((rows, columns), precision(rows * columns, dtype.itemsize > 4))
    # In Fortran's order the file is the transposed array, row by row.
    lines, width = (columns, rows) if by_columns else (rows, columns)
    step = max(1, PART_BYTES // (width * dtype.itemsize))
    for start in range(0, lines, step):
        count = min(step, lines - start)
        part = np.frombuffer(stream.read(count * width * dtype.itemsize), dtype)
        part = part.reshape(count, width)
        if by_columns:
            _copy_columns(buffer, start, part, key)
        else:
            copy_rows(buffer, start, part, key)
        progress((start + count) / lines)
    return Table(buffer, column_names(columns, None))


def _header(stream: BinaryIO, key: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        version = npy.read_magic(stream)
        if version == (1, 0):
            return npy.read_array_header_1_0(stream)
        if version == (2, 0):
            return npy.read_array_header_2_0(stream)
    except ValueError as error:
        raise field_error("input", f"{key} has a damaged header") from error
    raise field_error("input", f"{key} is NPY {version[0]}.{version[1]}; 1.0 and 2.0 are read")


def _copy_columns(buffer: Floats, start: int, part: np.ndarray, key: str) -> None:
    for number, column in enumerate(part, start):
        with np.errstate(over="ignore"):
            buffer[:, number] = column
        infinite = np.flatnonzero(np.isinf(buffer[:, number]))
        if len(infinite):
            row = int(infinite[0])
            raise field_error(
                f"input[{row}][{number}]",
                f"{key}: row {row}, column {number} is {column[row]}, which is infinite or too "
                "large for float32",
            )
