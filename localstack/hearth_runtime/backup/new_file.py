"""A file that gets its name only once it is complete and on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .errors import BackupError

LEAST_FREE = 256 * 2**20
"""Bytes of a disk that are left alone: a stack whose disk is full loses what it is sent."""
_LOOK_EVERY = 16 * 2**20
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL, errno.ENOSYS}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


class Room:
    """Looks now and then whether the disk of `folder` still has room for what is written there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unseen = _LOOK_EVERY

    def take(self, size: int) -> None:
        """Say that `size` bytes come next. Raises BackupError when the disk is almost full."""
        self._unseen += size
        if self._unseen < _LOOK_EVERY:
            return
        free = shutil.disk_usage(self.folder).free
        if free - size < LEAST_FREE:
            raise disk_full(self.folder)
        self._unseen = 0


def disk_full(folder: Path) -> BackupError:
    """The disk of `folder` has no room left but what a stack needs."""
    return BackupError(
        f"The disk of {folder} is full: {LEAST_FREE // 2**20} MiB of it are left for the stack.",
        "Make room or name a place on another disk; --exclude-frames makes a backup much smaller.",
    )


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, mode 0600. At the end of the block it is synced to disk and named `path`;
    when the block fails, or the process is killed, nothing is left of it.

    Raises:
        BackupError: `path` exists, or cannot be written.
    """
    if path.exists():
        raise _exists(path)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BackupError(
            f"{path.parent} cannot be opened: {error.strerror}.", "Name a folder that exists."
        ) from None
    try:
        partial: Path | None = None
        try:
            descriptor = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as error:
            if error.errno not in _NO_UNNAMED:
                raise BackupError(
                    f"{path.parent} cannot be written: {error.strerror}.",
                    "Change its owner, or name another folder.",
                ) from None
            # FAT, and file systems of a network: the next backup of that name replaces it.
            partial = path.with_name(f"{path.name}.partial")
            descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            try:
                yield file
                file.flush()
                os.fsync(descriptor)
                _name(descriptor, partial, path, folder)
                partial = None
            finally:
                if partial is not None:
                    partial.unlink(missing_ok=True)
        os.fsync(folder)
    finally:
        os.close(folder)


def _name(descriptor: int, partial: Path | None, path: Path, folder: int) -> None:
    """Give the file its name, which nothing may have: linking refuses to replace."""
    source = f"/proc/self/fd/{descriptor}" if partial is None else partial.name
    try:
        # Only with a folder does Python follow the link that /proc shows the unnamed file as.
        os.link(source, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if partial is None or error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise _exists(path) from None
        partial.replace(path)
    else:
        if partial is not None:
            partial.unlink()


def _exists(path: Path) -> BackupError:
    return BackupError(
        f"{path} exists, and a backup replaces nothing.", "Name another file, or remove that one."
    )
