"""The table of numbers that every algorithm starts from, and what is done to it first.

Rows are put into a canonical order before anything is drawn or added up: the same rows in another
order give the same bits everywhere below. The order is that of a hash of each row, so its prefixes
and strides are samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms.answers import Dropped
from functions.clustering.algorithms.parameters import Missing, field_error

LARGEST: Final = 1e100
"""Of an absolute value: squares of greater ones leave float64 when they are added up."""
_BLOCK: Final = 2048
"""Rows that are looked at together: 6 MB at 384 columns in float64."""
_NAMED: Final = 10
"""Cells that one error names."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers with names.

    Attributes:
        values: float32 or float64, (rows, columns), possibly a memory map; never written to. NaN
            is an empty cell.
        columns: A name for each column.
    """

    values: NDArray[np.float32] | NDArray[np.float64]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standardised:
    """Rows in canonical order, each used column with mean 0 and standard deviation 1.

    Attributes:
        values: float32, (kept rows, used columns).
        order: Of each of these rows, its index in the table.
        used: Indices of the table's columns that are not constant.
        mean, scale: Of the used columns, float64.
        dropped: What was left out.
    """

    values: NDArray[np.float32]
    order: Rows
    used: NDArray[np.int64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    dropped: Dropped


def standardise(table: Table, missing: Missing, least: int = 2) -> Standardised:
    """ReportProgress, order and scale a table.

    Args:
        least: Rows that must remain.

    Raises:
        InvalidInput: An infinite, too great or (unless dropped) empty cell; too few rows; no
            column with two different values.
    """
    kept, empty = checked_rows(table, missing)
    if len(kept) < least:
        raise field_error(
            "data", f"{_rows_left(len(kept), len(empty))}; at least {least} rows are needed"
        )
    order = canonical_order(table, kept)
    lowest, highest = _range(table, order)
    largest = np.maximum(np.abs(lowest), np.abs(highest))
    divisor = np.where(largest > 0, largest, 1.0)
    mean = divisor * _mean(table, order, np.zeros_like(divisor), divisor, power=1)
    scale = divisor * np.sqrt(_mean(table, order, mean, divisor, power=2))
    varied = (lowest < highest) & (scale > 0)
    if not varied.any():
        raise field_error(
            "data",
            f"all {len(order)} rows are identical, so there is nothing to tell them apart by",
        )
    used = np.flatnonzero(varied)
    mean, scale = mean[used], scale[used]
    values = np.empty((len(order), len(used)), np.float32)
    for start, block in _blocks(table, order):
        values[start : start + len(block)] = (block[:, used] - mean) / scale
    columns = tuple(name for name, told in zip(table.columns, varied, strict=True) if not told)
    return Standardised(
        values=values,
        order=order,
        used=used,
        mean=mean,
        scale=scale,
        dropped=Dropped(rows=tuple(empty.tolist()), columns=columns),
    )


def checked_rows(table: Table, missing: Missing) -> tuple[Rows, Rows]:
    """Indices of the rows that count, and of those that have an empty cell.

    Raises:
        InvalidInput: A cell that is infinite or too great, or an empty one that is refused.
    """
    values = table.values
    if values.ndim != 2 or 0 in values.shape:
        raise field_error("data", f"data has the shape {values.shape}; it has rows and columns")
    if len(table.columns) != values.shape[1]:
        raise field_error(
            "columns",
            f"{len(table.columns)} names for {values.shape[1]} columns; each column has one",
        )
    limit = min(LARGEST, float(np.finfo(values.dtype).max))
    empty: list[NDArray[np.int64]] = []
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        nan = np.isnan(block)
        too_great = np.abs(np.where(nan, 0, block)) > limit
        if too_great.any():
            raise _cells(table, start, too_great, "infinite or beyond ±1e100", "Give a number")
        if nan.any():
            if missing == "refuse":
                remedy = 'Fill it, or drop such rows with missing="drop"'
                raise _cells(table, start, nan, "empty (NaN)", remedy)
            empty.append(start + np.flatnonzero(nan.any(axis=1)))
    left_out = np.concatenate(empty) if empty else np.empty(0, np.int64)
    return np.delete(np.arange(len(values)), left_out), left_out


def canonical_order(table: Table, kept: Rows) -> Rows:
    """The kept rows in an order that depends on what is in them, not on where they stand.

    Rows are sorted by a 64-bit multilinear hash of their mixed bits (Lemire and Kaser, "Strongly
    universal string hashing is fast", 2014).
    """
    chance = np.random.default_rng(0)
    odd = chance.integers(0, 2**63, table.values.shape[1], dtype=np.uint64) * 2 + 1
    word = np.uint32 if table.values.dtype == np.float32 else np.uint64
    keys = np.empty(len(kept), np.uint64)
    for start in range(0, len(kept), _BLOCK):
        cells = table.values[kept[start : start + _BLOCK]] + table.values.dtype.type(0)  # no -0.0
        bits = cells.view(word).astype(np.uint64)
        bits *= np.uint64(0x9E3779B97F4A7C15)
        bits ^= bits >> np.uint64(32)
        bits *= odd
        keys[start : start + _BLOCK] = bits.sum(axis=1, dtype=np.uint64)
    return kept[np.argsort(keys, kind="stable")]


def stride(total: int, wanted: int) -> Rows:
    """At most `wanted` of `total` indices, evenly apart: of rows in canonical order, a sample."""
    count = min(total, wanted)
    return np.arange(count, dtype=np.int64) * total // count


def scaled(
    table: Table, used: NDArray[np.int64], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float32]:
    """New rows in the units of a fitted model; float32, (rows, used).

    Far outliers are held at ±1e15, whose squares float32 can add up.
    """
    values = np.empty((len(table.values), len(used)), np.float32)
    for start in range(0, len(values), _BLOCK):
        block = table.values[start : start + _BLOCK][:, used].astype(np.float64)
        with np.errstate(over="ignore"):
            values[start : start + _BLOCK] = np.clip((block - mean) / scale, -1e15, 1e15)
    return values


def _blocks(table: Table, order: Rows) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for start in range(0, len(order), _BLOCK):
        yield start, table.values[order[start : start + _BLOCK]].astype(np.float64)


def _range(table: Table, order: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lowest = np.full(table.values.shape[1], np.inf)
    highest = np.full(table.values.shape[1], -np.inf)
    for _, block in _blocks(table, order):
        np.minimum(lowest, block.min(axis=0), out=lowest)
        np.maximum(highest, block.max(axis=0), out=highest)
    return lowest, highest


def _mean(
    table: Table,
    order: Rows,
    centre: NDArray[np.float64],
    divisor: NDArray[np.float64],
    power: int,
) -> NDArray[np.float64]:
    """The mean of ((x - centre) / divisor) ** power, by column: within -2 to 2, or 0 to 4."""
    total = np.zeros_like(divisor)
    for _, block in _blocks(table, order):
        block -= centre
        block /= divisor
        total += (block if power == 1 else np.square(block, out=block)).sum(axis=0)
    return total / len(order)


def _rows_left(kept: int, empty: int) -> str:
    left = f"{kept} row{'' if kept == 1 else 's'}"
    return f"{left} without an empty cell" if empty else left


def _cells(table: Table, start: int, bad: NDArray[np.bool_], what: str, remedy: str) -> Exception:
    places = np.argwhere(bad)[:_NAMED]
    error = field_error(
        f"data[{start + places[0][0]}][{places[0][1]}]",
        f"Row {start + places[0][0]}, column {table.columns[places[0][1]]!r} is {what}. {remedy}.",
    )
    error.details = tuple(
        {
            "field": f"data[{start + row}][{column}]",
            "message": f"row {start + row}, column {table.columns[column]!r} is {what}",
        }
        for row, column in places
    )
    return error
