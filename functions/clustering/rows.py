"""Converts the rows of a request into a table, and checks the limits of requests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from functions.clustering.algorithms.parameters import field_error
from functions.clustering.limits import DATASETS, MAX_COLUMNS, MAX_INLINE_BYTES, MAX_ROWS
from hearth.errors import TooLarge

if TYPE_CHECKING:
    from functions.clustering.algorithms.matrix import Table

_REMEDY = f"put them in S3 under {DATASETS} and give their address as input"


def inline_table(data: Sequence[Sequence[float | None]], names: Sequence[str] | None) -> Table:
    """Convert the rows of a request to float64; null becomes NaN.

    Raises:
        InvalidInput: No rows, no columns, rows of different lengths, too many columns, or another
            number of names than columns.
        TooLarge: More rows or numbers than a request may have.
    """
    check_inline(data)
    import numpy as np

    from functions.clustering.algorithms.matrix import Table

    values = np.array(data, dtype=np.float64)  # None becomes NaN
    return Table(values, column_names(values.shape[1], names))


def check_inline(data: Sequence[Sequence[float | None]]) -> None:
    """Check what needs no array."""
    rows = len(data)
    if rows == 0:
        raise field_error("data", "data has no rows")
    columns = len(data[0])
    if columns == 0:
        raise field_error("data[0]", "data[0] has no numbers")
    ragged = next((number for number, row in enumerate(data) if len(row) != columns), None)
    if ragged is not None:
        raise field_error(
            f"data[{ragged}]",
            f"data[{ragged}] has {len(data[ragged])} numbers and data[0] has {columns}; "
            "all rows need as many",
        )
    check_columns(columns)
    if rows > MAX_ROWS:
        raise too_large(f"data has {rows} rows; at most {MAX_ROWS} are taken: {_REMEDY}")
    if rows * columns * 8 > MAX_INLINE_BYTES:
        raise too_large(
            f"data has {rows} x {columns} numbers, {rows * columns * 8} bytes; at most "
            f"{MAX_INLINE_BYTES} are taken: {_REMEDY}"
        )


def too_large(message: str) -> TooLarge:
    return TooLarge(message, details=[{"field": "data", "message": message}])


def check_columns(columns: int, field: str = "data") -> None:
    """
    Raises:
        InvalidInput: More columns than are taken.
    """
    if columns > MAX_COLUMNS:
        raise field_error(field, f"{field} has {columns} columns; at most {MAX_COLUMNS} are taken")


def column_names(columns: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """`names`, or column_0, column_1, …

    Raises:
        InvalidInput: Not as many names as columns, or one twice.
    """
    if names is None:
        return tuple(f"column_{number}" for number in range(columns))
    if len(names) != columns:
        raise field_error(
            "feature_names", f"feature_names has {len(names)} names and the rows {columns} columns"
        )
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise field_error("feature_names", f"feature_names has {name!r} more than once")
        seen.add(name)
    return tuple(names)


def fingerprint(table: Table) -> str:
    """SHA-256 of shape, column names and numbers, in hex: the same rows give the same.

    Numbers as little-endian float64, so that a file of float32 and a request with the same numbers
    agree.
    """
    import numpy as np

    digest = hashlib.sha256("\x00".join((repr(table.values.shape), *table.columns)).encode())
    for start in range(0, len(table.values), 4096):
        part = np.ascontiguousarray(table.values[start : start + 4096], dtype="<f8")
        digest.update(part.data)
    return digest.hexdigest()
