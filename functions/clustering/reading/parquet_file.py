"""Parquet: columns of numbers; an empty cell is NaN.

The parser runs in a process of its own: on a damaged file it may panic, or end its process where
it asks for too much memory, and neither may take the worker along. It fills an array that both
processes share.
"""

from __future__ import annotations

import json
import mmap
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import field_error
from functions.clustering.child_process import ProcessDied, run_in_child_process
from functions.clustering.limits import DOUBLE_VALUES, MAX_JOB_VALUES
from functions.clustering.reading.buffer import Floats, check_shape, copy_rows
from functions.clustering.rows import column_names
from hearth.errors import InvalidInput

if TYPE_CHECKING:
    from functions.clustering.reading import Progress

PART_BYTES = 4 * 1024 * 1024
LONGEST_S = 300.0
_MAGIC = b"PAR1"


def read_parquet(stream: BinaryIO, key: str, progress: Progress) -> Table:
    """Read rows of numbers.

    Raises:
        InvalidInput: A column that holds no numbers, or a file that is damaged or cut off.
        TooLarge: The file has more rows or numbers than a job may have.
        TimedOut: Reading took over five minutes.
    """
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        shutil.copyfileobj(stream, file, PART_BYTES)
        file.flush()
        progress(0.5)
        file.seek(-min(len(_MAGIC), file.tell()), 2)
        if file.read() != _MAGIC:
            raise field_error("input", f"{key} is cut off: it does not end as Parquet does")
        # Address space, not memory: pages that are never written cost nothing.
        shared = mmap.mmap(-1, MAX_JOB_VALUES * 4)
        try:
            (answer,) = run_in_child_process(
                lambda _: [_parse(file.name, key, shared)], LONGEST_S, f"reading {key}"
            )
        except ProcessDied as error:
            raise _damaged(key, error) from error
    found: dict[str, Any] = json.loads(answer)
    rows, columns = found["rows"], len(found["names"])
    values: Floats = np.frombuffer(shared, found["dtype"], rows * columns).reshape(rows, columns)
    progress(1.0)
    return Table(values, column_names(columns, found["names"]))


def _parse(path: str, key: str, shared: mmap.mmap) -> bytes:
    """Fill `shared` with the rows of the file; JSON with their shape, names and type."""
    from arro3.core import DataType
    from arro3.io import read_parquet as open_parquet

    reader = open_parquet(path)  # panics on a damaged end, which ends this process
    schema = reader.schema
    fields = [schema.field(number) for number in range(len(schema))]
    names = [str(field.name) for field in fields]
    for field in fields:
        if not (DataType.is_numeric(field.type) or DataType.is_boolean(field.type)):
            raise field_error(
                "input", f"{key}: column {field.name!r:.100} holds {field.type}, no numbers"
            )
    columns = len(names)
    check_shape(key, 1, columns)
    double = any(field.type.bit_width == 64 for field in fields)
    most = (DOUBLE_VALUES if double else MAX_JOB_VALUES) // columns
    dtype: type[np.float64 | np.float32] = np.float64 if double else np.float32
    buffer: Floats = cast("Floats", np.frombuffer(shared, dtype, most * columns))
    buffer = buffer.reshape(most, columns)
    rows = 0
    for batch in _batches(reader, key):
        check_shape(key, rows + batch.num_rows, columns)
        if rows + batch.num_rows > most:
            # More numbers than are kept as float64: the same buffer holds twice as many float32.
            single: NDArray[np.float32] = np.frombuffer(shared, np.float32)
            single[: rows * columns] = buffer[:rows].reshape(-1)
            most = MAX_JOB_VALUES // columns
            buffer = single[: most * columns].reshape(most, columns)
        copy_rows(buffer, rows, _numbers(batch.columns), key)
        rows += batch.num_rows
    check_shape(key, rows, columns)
    return json.dumps({"rows": rows, "names": names, "dtype": buffer.dtype.str}).encode()


def _batches(reader: Any, key: str) -> Iterator[Any]:
    while True:
        try:
            batch = next(reader, None)
        except Exception as error:  # arro3's own are of no narrower type
            raise _damaged(key, error) from error
        if batch is None:
            return
        yield batch


def _damaged(key: str, error: Exception) -> InvalidInput:
    return field_error("input", f"{key} is damaged, or no Parquet that can be read: {error!s:.200}")


def _numbers(columns: Sequence[Any]) -> NDArray[np.float64]:
    from arro3.core import DataType

    part = np.empty((len(columns[0]), len(columns)), np.float64)
    for number, column in enumerate(columns):
        if column.null_count:
            part[:, number] = column.cast(DataType.float64()).to_pylist()  # None becomes NaN
        else:
            part[:, number] = column.to_numpy()
    return part
