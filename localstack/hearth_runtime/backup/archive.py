"""The file of a backup: a compressed tar, written and read as a stream.

    backup.json                          first: what is needed to refuse it at once
    database.sqlite | database.pgdump
    records/NAME.json
    models/NAME/DIGEST/FILE              the registry of the stack's folder; that of its bucket
                                         is among the objects
    objects/ACCOUNT/BUCKET/KEY           where MiniStack keeps it, so that tar alone can rescue it
    manifest.jsonl                       last: a line for each file before it, in their order

Hashes are known only once a file has gone by, so they come last; a reader compares line by line.
Neither side holds more than one line and one piece of a file in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import IO, Any, Literal

from .errors import BackupError, damaged
from .models import FILE as MODEL_FILE

FORMAT = 2
READABLE = (1, 2)  # 1 had no models of the folder
HEADER = "backup.json"
MANIFEST = "manifest.jsonl"
SQLITE = "database.sqlite"
PGDUMP = "database.pgdump"
RECORDS = ("schedules.json", "custom_resources.json")
_PIECE = 2**20
_LONGEST_HEADER = 2**16
_LONGEST_LINE = 2**16
_NAMES = re.compile(
    rf"{re.escape(SQLITE)}|{re.escape(PGDUMP)}|records/({'|'.join(map(re.escape, RECORDS))})"
    rf"|{MODEL_FILE}"
    r"|objects/[0-9]{12}/[a-z0-9][a-z0-9.-]*/.+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Header:
    """What an archive is. `hearth` is the version that wrote it, `schema_revision` the
    database's; `created_at` is RFC 3339 in UTC. `frames` and `models` are false where
    these were left out."""

    hearth: str
    created_at: str
    database: Literal["sqlite", "postgresql"]
    schema_revision: str | None
    frames: bool
    models: bool = True
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the manifest; `facts` is what is known of an object besides its bytes."""

    name: str
    size: int
    sha256: str
    facts: Mapping[str, Any]

    def line(self) -> bytes:
        """The line, with its end."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode() + b"\n"


class ArchiveWriter:
    """Writes an archive into `stream`; it is complete when the block has ended."""

    def __init__(self, stream: IO[bytes], manifest: IO[bytes]) -> None:
        """`manifest` is an empty file that holds the manifest while it grows."""
        self._tar = tarfile.open(  # noqa: SIM115 - closed by `close`
            fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT
        )
        self._manifest = manifest
        self.files = 0
        self.bytes = 0

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._close()
        else:  # or the tar is ended when it is collected, into a stream that is closed by then
            with contextlib.suppress(Exception):
                self._tar.close()

    def begin(self, header: Header) -> None:
        """Write the header, before anything else."""
        data = json.dumps(asdict(header), indent=2).encode() + b"\n"
        self._put(HEADER, io.BytesIO(data), len(data), 0)

    def add(
        self,
        name: str,
        source: Any,
        size: int,
        *,
        modified: float = 0,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Copy `size` bytes from what has a `read`. Raises OSError when it has fewer."""
        digest = self._put(name, source, size, modified)
        self._manifest.write(Entry(name, size, digest, facts or {}).line())
        self.files += 1
        self.bytes += size

    def _close(self) -> None:
        size = self._manifest.tell()
        self._manifest.seek(0)
        self._put(MANIFEST, self._manifest, size, 0)
        self._tar.close()

    def _put(self, name: str, source: Any, size: int, modified: float) -> str:
        member = tarfile.TarInfo(name)
        member.size = size
        member.mtime = int(modified)
        member.mode = 0o600
        hashing = _Hashing(source)
        self._tar.addfile(member, hashing)  # type: ignore[arg-type]
        _forget(self._tar)
        return hashing.hexdigest()


class _Hashing:
    """Hashes what is read through it."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        # tarfile takes a short read for the end; a connection may give less than was asked for.
        parts = []
        while size > 0 and (part := self._source.read(size)):
            parts.append(part)
            size -= len(part)
        data = b"".join(parts)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class Member:
    """A file of an archive that is being read; its bytes go by once."""

    def __init__(self, name: str, size: int, source: IO[bytes]) -> None:
        self.name = name
        self.size = size
        self._source = source
        self._hash = hashlib.sha256()

    def pieces(self) -> Iterator[bytes]:
        """Its bytes. Raises BackupError when the archive ends first."""
        left = self.size
        while left:
            piece = self._source.read(min(left, _PIECE))
            if not piece:
                raise damaged("it ends too early")
            self._hash.update(piece)
            left -= len(piece)
            yield piece

    def sha256(self) -> str:
        """Of the bytes that went by."""
        return self._hash.hexdigest()


class ArchiveReader:
    """Reads an archive from `stream`. Whatever is wrong with it is a BackupError."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        try:
            self._tar = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115 - holds nothing
        except tarfile.TarError:
            raise BackupError(
                "The file is not a backup: what is compressed is not a tar archive.",
                "Check its name.",
            ) from None
        self.header = self._header()

    def members(self, manifest: IO[bytes]) -> Iterator[Member]:
        """Every file between the header and the manifest, which goes to an empty file. The bytes
        of one must have gone by before the next is asked for."""
        while (info := self._next()) is not None:
            if info.name == MANIFEST:
                self._keep_manifest(info, manifest)
                return
            # tarfile extracts nothing here, so its filters do not run. What passes is stricter:
            # plain files of known names, no link, no device, no "..".
            known = info.isreg() and _NAMES.fullmatch(info.name)
            if not known or {"", ".", ".."} & set(info.name.split("/")) or "\0" in info.name:
                raise damaged(f"{info.name!r:.200} may not be in a backup")
            yield Member(info.name, info.size, self._open(info))
        raise damaged("it ends too early: there is no manifest")

    def _header(self) -> Header:
        info = self._next()
        if info is None or info.name != HEADER or info.size > _LONGEST_HEADER:
            raise BackupError("The file is not a backup of Hearth.", "Check its name.")
        try:
            facts = json.loads(self._open(info).read())
            written = int(facts["format"])
        except (ValueError, TypeError, KeyError):
            raise damaged("its first file is unreadable") from None
        if written not in READABLE:
            raise BackupError(
                f"The archive has format {written}, and this Hearth reads formats up to {FORMAT}.",
                f"Restore it with Hearth {facts.get('hearth', 'of another version')}.",
            )
        try:
            return Header(**facts)
        except TypeError:
            raise damaged("its first file is unreadable") from None

    def _next(self) -> tarfile.TarInfo | None:
        try:
            info = self._tar.next()
        except tarfile.TarError as error:
            raise damaged(str(error)) from None
        _forget(self._tar)
        return info

    def _open(self, info: tarfile.TarInfo) -> IO[bytes]:
        source = self._tar.extractfile(info)
        if source is None:
            raise damaged(f"{info.name!r:.200} is no file")
        return _Checked(source)  # type: ignore[return-value]

    def _keep_manifest(self, info: tarfile.TarInfo, manifest: IO[bytes]) -> None:
        for piece in Member(info.name, info.size, self._open(info)).pieces():
            manifest.write(piece)
        if self._next() is not None:
            raise damaged("there is more behind its manifest")
        # The checksum of a compressed stream stands at its end, and is compared there.
        while self._stream.read(_PIECE):
            pass


def entries(manifest: IO[bytes]) -> Iterator[Entry]:
    """The lines of a manifest. Raises BackupError when one is unreadable."""
    manifest.seek(0)
    while line := manifest.readline(_LONGEST_LINE):
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            raise damaged(f"a line of its manifest is unreadable: {line!r:.200}") from None
        yield entry


def _forget(tar: tarfile.TarFile) -> None:
    """Or it remembers every one of a million frames; Python 3.13 calls this its stream mode."""
    tar.members = []  # type: ignore[attr-defined]


class _Checked:
    """A file of a tar whose end is missing tells so as damage."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except tarfile.TarError as error:
            raise damaged(str(error)) from None
