"""The array into which rows are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms.parameters import field_error
from functions.clustering.limits import DOUBLE_VALUES, MAX_JOB_ROWS, MAX_JOB_VALUES
from functions.clustering.rows import check_columns, too_large

Floats = NDArray[np.float32] | NDArray[np.float64]


def check_shape(key: str, rows: int, columns: int) -> None:
    """
    Raises:
        InvalidInput: No rows, no columns, or more columns than are taken.
        TooLarge: More rows or numbers than a job takes.
    """
    if rows == 0 or columns == 0:
        raise field_error(
            "input", f"{key} holds {rows} rows of {columns} columns; there is nothing in it"
        )
    check_columns(columns, "input")
    if rows > MAX_JOB_ROWS:
        raise too_large(f"{key} holds {rows} rows; at most {MAX_JOB_ROWS} are taken")
    if rows * columns > MAX_JOB_VALUES:
        raise too_large(
            f"{key} holds {rows} x {columns} numbers; at most {MAX_JOB_VALUES} are taken"
        )


def precision(values: int, double: bool) -> np.dtype[np.float32] | np.dtype[np.float64]:
    """float64 for numbers that need it, as long as there are at most 20 million of them."""
    if double and values <= DOUBLE_VALUES:
        return np.dtype(np.float64)
    return np.dtype(np.float32)


def copy_rows(buffer: Floats, start: int, part: NDArray[np.generic], key: str) -> None:
    """Copy `part` (rows, columns) to `buffer[start:]`.

    Raises:
        InvalidInput: A number is infinite, or too large for float32.
    """
    target = buffer[start : start + len(part)]
    with np.errstate(over="ignore"):
        target[...] = part
    infinite = np.isinf(target)
    if infinite.any():
        row, column = (int(index[0]) for index in np.nonzero(infinite))
        raise field_error(
            f"input[{start + row}][{column}]",
            f"{key}: row {start + row}, column {column} is {part[row, column]}, "
            "which is infinite or too large for float32",
        )
