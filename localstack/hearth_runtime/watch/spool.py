"""Frames that wait on disk while the bucket is out of reach.

    {folder}/{camera}/{time}.jpg      one frame, or {time}.end, named like its key
    {folder}/{camera}/lock            held while a watcher of this camera runs

A frame is written beside its place, synced, and renamed into it: a power cut leaves a whole frame
or none. Names sort in the order of capture, so the oldest is the first, after a restart too.
"""

from __future__ import annotations

import bisect
import fcntl
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from hearth_runtime.watch.errors import StoreError

_WAITING = (".jpg", ".end")
_TEMPORARY = ".tmp"


@dataclass(frozen=True, slots=True)
class Entry:
    """One waiting object: its key in the bucket and its size in bytes."""

    key: str
    size: int


class Spool:
    """The waiting frames of one camera, oldest first; safe to use from several threads.

    Args:
        folder: Holds a folder for each camera.
        camera: Camera id.
        max_bytes: Bound on the bytes that wait. What happens beyond it is the caller's choice:
            wait while `is_full`, or `add` and lose the oldest.
    """

    def __init__(self, folder: Path, camera: str, max_bytes: int) -> None:
        self.folder = folder / camera
        self.max_bytes = max_bytes
        self.bytes = 0
        self._prefix = f"frames/{camera}/"
        self._sizes: dict[str, int] = {}
        self._names: list[str] = []
        self._mutex = threading.Lock()
        self._lock_file: IO[str] | None = None

    def __enter__(self) -> Spool:
        """Take the camera, and find what an earlier run left.

        Raises:
            StoreError: Another watcher has this camera, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock_file = (self.folder / "lock").open("a")
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be written: {error.strerror}.",
                "Give a folder that can be, with --data.",
            ) from None
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            self._lock_file = None
            raise StoreError(
                f"Another `hearth watch` is watching as camera {self.folder.name}.",
                "Stop it, or give this one another name with --camera.",
            ) from None
        for path in self.folder.iterdir():
            if path.suffix == _TEMPORARY:
                path.unlink()
            elif path.suffix in _WAITING:
                self._remember(path.name, path.stat().st_size)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def __len__(self) -> int:
        return len(self._names)

    @property
    def is_full(self) -> bool:
        """Whether the bound is reached."""
        return self.bytes >= self.max_bytes

    def add(self, key: str, data: bytes, *, drop_oldest: bool) -> int:
        """Keep an object until it is removed; with `drop_oldest` within the bound.

        Returns:
            How many frames had to go to keep the bound: the oldest, which may be this one.

        Raises:
            StoreError: The disk does not take it.
        """
        name = self._name(key)
        with self._mutex:
            dropped = 0
            if drop_oldest and name.endswith(".jpg"):
                dropped, room = self._make_room(name, len(data))
                if not room:
                    return dropped + 1
            path = self.folder / name
            temporary = path.with_name(f"{name}{_TEMPORARY}")
            try:
                with temporary.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
                self._sync_folder()
            except OSError as error:
                temporary.unlink(missing_ok=True)
                raise StoreError(
                    f"{self.folder} takes no more: {error.strerror}.",
                    "Make room on the disk, or lower --spool-limit.",
                ) from None
            self._remember(name, len(data))
        return dropped

    def oldest(self, count: int) -> list[Entry]:
        """The first `count` entries, in order."""
        with self._mutex:
            return [Entry(self._prefix + n, self._sizes[n]) for n in self._names[:count]]

    def read(self, key: str) -> bytes | None:
        """The bytes of an entry; None when it has gone."""
        try:
            return (self.folder / self._name(key)).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, key: str) -> bool:
        """Forget an entry; returns whether it was still there.

        A power cut may bring it back: it is then uploaded again, the same.
        """
        with self._mutex:
            return self._forget(self._name(key))

    def _make_room(self, newcomer: str, size: int) -> tuple[int, bool]:
        """Drop what is older than the newcomer until it fits; returns how many, and if it does."""
        dropped = 0
        while self.bytes + size - self._sizes.get(newcomer, 0) > self.max_bytes:
            frame = next((name for name in self._names if name.endswith(".jpg")), None)
            if frame is None or frame >= newcomer:
                return dropped, False
            self._forget(frame)
            dropped += 1
        return dropped, True

    def _name(self, key: str) -> str:
        return key.removeprefix(self._prefix)

    def _remember(self, name: str, size: int) -> None:
        if name in self._sizes:
            self.bytes -= self._sizes[name]
        else:
            bisect.insort(self._names, name)
        self._sizes[name] = size
        self.bytes += size

    def _forget(self, name: str) -> bool:
        if name not in self._sizes:
            return False
        self.bytes -= self._sizes.pop(name)
        self._names.pop(bisect.bisect_left(self._names, name))
        (self.folder / name).unlink(missing_ok=True)
        return True

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
