"""Large sets of rows, from files in the bucket: NPY, CSV and Parquet.

A file is what its name says, or it is refused: its first bytes are compared with its suffix before
anything parses it. Nothing in it is ever executed: NPY of Python objects (pickle) is refused.

What is in memory is the array that the algorithms need, in the file's own precision where that
fits, and a few megabytes of the file. Parquet alone is read from a temporary file, because its
columns lie apart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import urlsplit

from functions.clustering.limits import DATASETS, MAX_FILE_BYTES
from functions.clustering.rows import wrong
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from functions.clustering.algorithms.matrix import Table

Progress = Callable[[float], None]
"""Told how much of a file has been read, 0..1; may raise to stop."""

NPY_MAGIC: Final = b"\x93NUMPY"
PARQUET_MAGIC: Final = b"PAR1"
SUFFIXES: Final = (".npy", ".csv", ".parquet")


def dataset_key(address: str, bucket: str) -> str:
    """The key that an address names.

    Args:
        address: `s3://bucket/datasets/…`.
        bucket: The stack's own.

    Raises:
        InvalidInput: Another bucket or folder, or a name that is none of .npy, .csv, .parquet.
    """
    parts = urlsplit(address, allow_fragments=False)
    key = parts.path.removeprefix("/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme != "s3" or parts.netloc != bucket:
        raise wrong("input", f"input is {address[:200]!r}; data is read from s3://{bucket}/ only")
    if not key.startswith(DATASETS) or key == DATASETS:
        raise wrong("input", f"input names {key[:200]!r}; data lies under s3://{bucket}/{DATASETS}")
    if PurePosixPath(key).suffix.lower() not in SUFFIXES:
        raise wrong("input", f"input ends in none of {', '.join(SUFFIXES)}: {key[-80:]!r}")
    return key


def read_table(store: ObjectStore, key: str, progress: Progress = lambda _: None) -> Table:
    """The rows of a file; an empty cell is NaN.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is not what its name says, is cut off, or holds what is no number.
        TooLarge: More bytes, rows or numbers than a job takes.
        Conflict: It was replaced while it was read.
    """
    with store.open(key, MAX_FILE_BYTES) as stream:
        suffix = PurePosixPath(key).suffix.lower()
        _check_kind(stream, key, suffix)
        if suffix == ".npy":
            from functions.clustering.reading.npy_file import read_npy

            return read_npy(stream, key, progress)
        if suffix == ".csv":
            from functions.clustering.reading.csv_file import read_csv

            return read_csv(stream, key, progress)
        from functions.clustering.reading.parquet_file import read_parquet

        return read_parquet(stream, key, progress)


def _check_kind(stream: BinaryIO, key: str, suffix: str) -> None:
    beginning = stream.read(4096)
    stream.seek(0)
    if not beginning:
        raise wrong("input", f"{key} is empty")
    found = _kind(beginning)
    if found != suffix:
        raise wrong("input", f"{key} is no {suffix} file: it begins as {found or 'something else'}")


def _kind(beginning: bytes) -> str | None:
    if beginning.startswith(NPY_MAGIC):
        return ".npy"
    if beginning.startswith(PARQUET_MAGIC):
        return ".parquet"
    return None if b"\x00" in beginning else ".csv"
