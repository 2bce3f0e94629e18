"""Reads large sets of rows from files in the bucket: NPY, CSV and Parquet.

The first bytes of a file are compared with its suffix before anything parses it. Nothing in a file
is executed: NPY files of Python objects (pickle) are refused.

Memory holds the array that the algorithms need, in the file's own precision where that fits, and
a few megabytes of the file. Only Parquet is read from a temporary file: its columns are apart.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import urlsplit

from functions.clustering.algorithms.parameters import field_error
from functions.clustering.limits import DATASETS, MAX_FILE_BYTES
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from functions.clustering.algorithms.matrix import Table

Progress = Callable[[float], None]
"""Called with the share of the file that was read, 0..1; may raise to stop."""

NPY_MAGIC: Final = b"\x93NUMPY"
PARQUET_MAGIC: Final = b"PAR1"
SUFFIXES: Final = (".npy", ".csv", ".parquet")


def dataset_key(address: str, bucket: str) -> str:
    """Return the key of an address.

    Args:
        address: `s3://bucket/datasets/…`.
        bucket: The stack's bucket.

    Raises:
        InvalidInput: The address is in another bucket or folder, or has another suffix.
    """
    parts = urlsplit(address, allow_fragments=False)
    key = parts.path.removeprefix("/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme != "s3" or parts.netloc != bucket:
        raise field_error(
            "input", f"input is {address[:200]!r}; data is read from s3://{bucket}/ only"
        )
    if not key.startswith(DATASETS) or key == DATASETS:
        raise field_error(
            "input", f"input names {key[:200]!r}; data lies under s3://{bucket}/{DATASETS}"
        )
    if PurePosixPath(key).suffix.lower() not in SUFFIXES:
        raise field_error("input", f"input ends in none of {', '.join(SUFFIXES)}: {key[-80:]!r}")
    return key


def read_table(store: ObjectStore, key: str, progress: Progress = lambda _: None) -> Table:
    """Read the rows of a file; an empty cell is NaN.

    Raises:
        NotFound: The file does not exist.
        InvalidInput: The file has another format, is truncated, or has a cell that is no number.
        TooLarge: The file has more bytes, rows or numbers than a job may have.
        Conflict: The file was replaced while it was read.
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
        raise field_error("input", f"{key} is empty")
    found = _kind(beginning)
    if found != suffix:
        raise field_error(
            "input", f"{key} is no {suffix} file: it begins as {found or 'something else'}"
        )


def _kind(beginning: bytes) -> str | None:
    if beginning.startswith(NPY_MAGIC):
        return ".npy"
    if beginning.startswith(PARQUET_MAGIC):
        return ".parquet"
    return None if b"\x00" in beginning else ".csv"
