"""Storage of a registry: a local folder, or `models/` in a bucket."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from hearth.errors import InvalidInput, ModelFailed, NotFound, Unavailable
from hearth.storage import ObjectStore
from hearth_models.record import FileRecord
from hearth_vision.onnx_file import MAX_BYTES

PREFIX: Final = "models/"
_KINDS: Final = {".json": "application/json", ".xml": "application/xml"}


class RegistryFiles(Protocol):
    """Small documents and large files by path below the registry."""

    where: str

    def read(self, path: str, max_bytes: int) -> bytes:
        """Raises NotFound, TooLarge, Unavailable."""

    def write(self, path: str, data: bytes) -> None:
        """Write or overwrite; a reader sees the old bytes or the new, never half."""

    def add(self, path: str, source: Path) -> None:
        """Copy a file of this machine in."""

    def paths(self) -> Iterator[str]:
        """Every file, in order."""

    def delete(self, path: str) -> None:
        """Remove a file; a missing one is no error."""

    def local(self, record: FileRecord, folder: Path) -> Path:
        """A verified copy on this machine, which is the file itself where it lies here already.

        Raises:
            ModelFailed: Its bytes are not those that were recorded.
        """


class Folder:
    """A registry in a folder, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def read(self, path: str, max_bytes: int) -> bytes:
        file = self.root / path
        try:
            with file.open("rb") as opened:
                data = opened.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise NotFound(f"{file} does not exist") from error
        except OSError as error:
            raise Unavailable(f"{file} cannot be read: {error.strerror}") from error
        if len(data) > max_bytes:
            raise InvalidInput(f"{file} is larger than {max_bytes} bytes")
        return data

    def write(self, path: str, data: bytes) -> None:
        with self._new(path) as new:
            new.write_bytes(data)

    def add(self, path: str, source: Path) -> None:
        with self._new(path) as new:
            shutil.copyfile(source, new)

    @contextmanager
    def _new(self, path: str) -> Iterator[Path]:
        target = self.root / path
        try:
            # The data folder is ours alone, whoever makes it: its database knows who gets reports.
            self.root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
            os.close(handle)
            new = Path(name)
            try:
                yield new
                new.chmod(0o644)  # containers of functions run as another user
                with new.open("rb+") as file:
                    os.fsync(file.fileno())
                new.replace(target)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{target} cannot be written: {error.strerror}") from error

    def paths(self) -> Iterator[str]:
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and not path.name.startswith(".new-"):
                yield path.relative_to(self.root).as_posix()

    def delete(self, path: str) -> None:
        target = self.root / path
        target.unlink(missing_ok=True)
        folder = target.parent
        while folder != self.root and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent

    def local(self, record: FileRecord, folder: Path) -> Path:
        path = self.root / record.file
        if not path.is_file():
            raise ModelFailed(f"{path} is missing; remove the model and add it again")
        with path.open("rb") as file:
            _check(hashlib.file_digest(file, "sha256").hexdigest(), record, self.where)
        return path


class Bucket:
    """A registry under `models/` of a bucket."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self.where = f"s3://{name}/{PREFIX.rstrip('/')}"

    def read(self, path: str, max_bytes: int) -> bytes:
        return self._store.get(PREFIX + path, max_bytes)

    def write(self, path: str, data: bytes) -> None:
        kind = _KINDS.get(Path(path).suffix, "application/octet-stream")
        self._store.put(PREFIX + path, data, kind)

    def add(self, path: str, source: Path) -> None:
        self.write(path, source.read_bytes())

    def paths(self) -> Iterator[str]:
        for item in self._store.list(PREFIX):
            yield item.key.removeprefix(PREFIX)

    def delete(self, path: str) -> None:
        self._store.delete(PREFIX + path)

    def local(self, record: FileRecord, folder: Path) -> Path:
        try:
            data = self._store.get(PREFIX + record.file, MAX_BYTES)
        except NotFound as error:
            raise ModelFailed(
                f"{self.where}/{record.file} is missing; remove the model and add it again"
            ) from error
        _check(hashlib.sha256(data).hexdigest(), record, self.where)
        path = folder / record.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path


def _check(found: str, record: FileRecord, where: str) -> None:
    if found != record.sha256:
        raise ModelFailed(
            f"{where}/{record.file} has changed since it was added (sha256 {found[:12]}…, "
            f"recorded {record.sha256[:12]}…); remove the model and add it again if that was meant"
        )


def file_record(path: Path, below: str) -> FileRecord:
    """The record of a file, to lie at `below`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(file=below, sha256=digest, size=path.stat().st_size)
