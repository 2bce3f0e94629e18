"""Reads CSV: UTF-8, commas, an optional header; an empty cell is NaN."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import field_error
from functions.clustering.limits import DOUBLE_VALUES, MAX_JOB_ROWS, MAX_JOB_VALUES
from functions.clustering.reading.buffer import Floats, check_shape, copy_rows
from functions.clustering.rows import check_columns, column_names

if TYPE_CHECKING:
    from functions.clustering.reading import Progress

MAX_LINE_CHARS = 256 * 1024
PART_ROWS = 1024
_SHOWN_CHARS = 40


def read_csv(stream: BinaryIO, key: str, progress: Progress) -> Table:
    """Read rows of numbers.

    Raises:
        InvalidInput: No UTF-8, a line that is too long, has more or fewer cells than the first, or
            a cell that is no number; line and column are named.
        TooLarge: The file has more rows or numbers than a job may have.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        lines = _Lines(text, key)
        names = lines.names()
        columns = lines.columns
        # Address space, not memory: pages that are never written cost nothing.
        most = min(MAX_JOB_ROWS, MAX_JOB_VALUES // columns) + 1
        buffer: Floats = np.empty((most, columns), np.float64)
        rows = 0
        while part := list(islice(lines, PART_ROWS)):
            check_shape(key, rows + len(part), columns)
            if buffer.dtype == np.float64 and (rows + len(part)) * columns > DOUBLE_VALUES:
                wider, buffer = buffer, np.empty((most, columns), np.float32)
                copy_rows(buffer, 0, wider[:rows], key)
                del wider
            copy_rows(buffer, rows, np.array(part), key)
            rows += len(part)
            progress(min(1.0, stream.tell() / size))
        check_shape(key, rows, columns)
        return Table(buffer[:rows], column_names(columns, names))
    except UnicodeDecodeError as error:
        raise field_error("input", f"{key} is not UTF-8") from error
    except csv.Error as error:
        raise field_error("input", f"{key} is no CSV: line {lines.number}: {error}") from error
    finally:
        text.detach()


class _Lines:
    """Iterates over rows of numbers, and knows the line number."""

    def __init__(self, text: io.TextIOWrapper, key: str) -> None:
        self._key = key
        self._text = text
        self._reader = csv.reader(self._bounded(), strict=True)
        self._pushed: list[list[str]] = []
        self.columns = 0

    @property
    def number(self) -> int:
        """The number of the line that was read last, from 1."""
        return self._reader.line_num

    def names(self) -> list[str] | None:
        """Return the names in the header; None when the first line contains numbers."""
        first = next(self._reader, [])
        self.columns = len(first)
        check_columns(self.columns, "input")
        if not first:
            raise field_error("input", f"{self._key}: line 1 is empty")
        if all(_is_number(cell) for cell in first):
            self._pushed.append(first)
            return None
        return [_name(cell, number) for number, cell in enumerate(first)]

    def __iter__(self) -> Iterator[list[float]]:
        return self

    def __next__(self) -> list[float]:
        cells = self._pushed.pop() if self._pushed else next(self._reader)
        if not cells:
            # Only the end of a file may be empty: skipping lines would shift the labels.
            if any(self._reader):
                raise field_error("input", f"{self._key}: line {self.number - 1} is empty")
            raise StopIteration
        if len(cells) != self.columns:
            raise field_error(
                "input",
                f"{self._key}: line {self.number} has {len(cells)} cells and the first line "
                f"{self.columns}; it may be cut off there",
            )
        try:
            return [float(cell) for cell in cells]
        except ValueError:
            return [self._number(cell, column) for column, cell in enumerate(cells)]

    def _number(self, cell: str, column: int) -> float:
        if not cell.strip():
            return float("nan")
        try:
            return float(cell)
        except ValueError:
            shown = f"{cell[:_SHOWN_CHARS]!r}"
            raise field_error(
                f"input line {self.number}, column {column}",
                f"{self._key}: line {self.number}, column {column}: {shown} is no number",
            ) from None

    def _bounded(self) -> Iterator[str]:
        number = 0
        while line := self._text.readline(MAX_LINE_CHARS):
            number += 1
            if len(line) == MAX_LINE_CHARS:
                raise field_error(
                    "input",
                    f"{self._key}: line {number} is longer than {MAX_LINE_CHARS} characters",
                )
            yield line


def _is_number(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _name(cell: str, number: int) -> str:
    printable = "".join(sign for sign in cell.strip() if sign.isprintable())
    return printable[:100] or f"column_{number}"
