"""Brings a backup into a folder. It becomes the stack's only once every byte was checked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hearth_runtime.stack_state import LOCK_FILE, STATE_FILE, UNFINISHED_RESTORE, StackLock

from .archive import PGDUMP, SQLITE, ArchiveReader, Entry, Header, entries
from .backup import DATABASE_FILE, hearth_version
from .compression import decompressor
from .database import is_postgresql, restore_postgresql
from .errors import BackupError, damaged
from .new_file import FULL, Room, disk_full
from .object_folder import describe, open_new, place_for

# What an empty folder may hold: a file system's own, and what is left of a restore cut off.
STAGING = "restore.partial"
_NOTHING = {LOCK_FILE, STATE_FILE, STAGING, "lost+found"}
_DIGESTS = 32 + 16  # sha256 and md5 of a file


@dataclass(frozen=True, slots=True)
class RestoreSummary:
    """What was restored; `replaced` is where the folder's former content is now."""

    data: str
    created_at: str
    hearth: str
    database: str
    schema_revision: str | None
    objects: int
    frames: bool
    models: bool
    replaced: str | None
    seconds: float


def restore(
    source: Path,
    data: Path,
    *,
    force: bool = False,
    database_url: str | None = None,
    progress: Callable[[int], None] = lambda objects: None,
) -> RestoreSummary:
    """Restore `source` into the folder `data`, which must be empty unless `force` is set.

    Nothing is deleted by `force`: what was there is moved to a folder beside the new content, and a
    database that lies elsewhere gets another name.

    Args:
        database_url: SQLAlchemy URL of a database that is not the one in the folder.

    Raises:
        BackupError: The archive is damaged or of another version, the folder is not empty, or the
            disk is full. The folder is as it was, then.
        AlreadyRunning: A stack runs on the folder.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as closing:
        try:
            # Unbuffered: zstd reads from the file itself, wherever that stands.
            raw = closing.enter_context(source.open("rb", buffering=0))
        except OSError as error:
            raise BackupError(
                f"{source} cannot be read: {error.strerror}.", "Check its name."
            ) from None
        # Before anything is made: whether it is a backup at all, and one that fits.
        with decompressor(raw) as stream:
            header = ArchiveReader(stream).header
            _check(header, database_url)
        raw.seek(0)
        data.mkdir(parents=True, exist_ok=True)
        closing.enter_context(StackLock(data))
        present = sorted(path for path in data.iterdir() if path.name not in _NOTHING)
        elsewhere = _database_elsewhere(database_url, data)
        in_the_way = present or [
            path for path in (elsewhere,) if path is not None and path.exists()
        ]
        if in_the_way and not force:
            where = data if present else in_the_way[0].parent
            raise BackupError(
                f"{where} is not empty: it holds {in_the_way[0].name}.",
                "Name another folder with --data, or --force to put this content aside.",
            )
        staging = data / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        try:
            staging.mkdir(mode=0o700)
            with decompressor(raw) as stream:
                objects = _unpack(ArchiveReader(stream), staging, progress)
            if header.database == "postgresql" and database_url is not None:
                restore_postgresql(database_url, staging / PGDUMP)
                (staging / PGDUMP).unlink()
            os.sync()
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            if error.errno in FULL:
                raise disk_full(data) from None
            raise BackupError(
                f"The backup was not restored: {error}.", "See `hearth doctor`."
            ) from error
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        replaced = _go_live(staging, data, present, elsewhere)
    return RestoreSummary(
        data=str(data),
        created_at=header.created_at,
        hearth=header.hearth,
        database=header.database,
        schema_revision=header.schema_revision,
        objects=objects,
        frames=header.frames,
        models=header.models,
        replaced=None if replaced is None else str(replaced),
        seconds=round(time.monotonic() - began, 3),
    )


def _check(header: Header, database_url: str | None) -> None:
    ours = hearth_version()
    if _numbers(header.hearth) > _numbers(ours):
        raise BackupError(
            f"The backup was made by Hearth {header.hearth}, and this is {ours}.",
            "Install that version or a newer one, then restore.",
        )
    if header.database == "postgresql" and (
        database_url is None or not is_postgresql(database_url)
    ):
        raise BackupError(
            "The backup holds a PostgreSQL database.",
            "Name an empty one with --database-url postgresql://user:password@host/name.",
        )
    if header.database == "sqlite" and database_url is not None and is_postgresql(database_url):
        raise BackupError(
            "The backup holds an SQLite database, and goes into the folder.",
            "Leave --database-url out (and DATABASE_URL).",
        )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _unpack(archive: ArchiveReader, staging: Path, progress: Callable[[int], None]) -> int:
    """Write every file, then compare what was written with the manifest, line by line."""
    room = Room(staging)
    objects = 0
    with (
        tempfile.TemporaryFile(dir=staging) as digests,
        tempfile.TemporaryFile(dir=staging) as manifest,
    ):
        for member in archive.members(manifest):
            path = staging / member.name
            if member.name.startswith("objects/"):
                path = place_for(staging, member.name)
                objects += 1
                progress(objects)
            elif member.name == SQLITE:
                path = staging / DATABASE_FILE
            elif member.name.startswith("records/"):
                path = staging / member.name.removeprefix("records/")
            shared = member.name.startswith("models/")
            md5 = hashlib.md5(usedforsecurity=False)  # what S3 calls the ETag
            try:
                if shared:
                    path.parent.mkdir(parents=True, exist_ok=True)
                file = open_new(path)
            except FileExistsError:
                raise damaged(f"{member.name} is in it twice") from None
            with file:
                for piece in member.pieces():
                    room.take(len(piece))
                    file.write(piece)
                    md5.update(piece)
                if shared:  # containers of functions run as another user
                    os.fchmod(file.fileno(), 0o644)
            digests.write(bytes.fromhex(member.sha256()) + md5.digest())
        digests.seek(0)
        _compare(entries(manifest), iter(lambda: digests.read(_DIGESTS), b""), staging)
    if archive.header.database == "sqlite" and not (staging / DATABASE_FILE).is_file():
        raise damaged("there is no database in it")
    if archive.header.database == "postgresql" and not (staging / PGDUMP).is_file():
        raise damaged("there is no database in it")
    return objects


def _compare(listed: Iterator[Entry], digests: Iterator[bytes], staging: Path) -> None:
    for entry in listed:
        digest = next(digests, b"")
        if digest[:32].hex() != entry.sha256:
            raise damaged(f"{entry.name!r:.200} is not what was backed up")
        if entry.name.startswith("objects/"):
            describe(staging, entry, digest[32:].hex())
    if next(digests, b""):
        raise damaged("its manifest does not name all of its files")


def _database_elsewhere(url: str | None, data: Path) -> Path | None:
    """The file of an SQLite database outside the folder, such as on a volume of its own."""
    if url is None or not url.startswith("sqlite:///"):
        return None
    path = Path(url.removeprefix("sqlite:///"))
    return None if path.absolute() == (data / DATABASE_FILE).absolute() else path


def _go_live(
    staging: Path, data: Path, present: list[Path], database: Path | None = None
) -> Path | None:
    """Put what was there aside, then move what was restored into its place.

    Cut off between two moves, it leaves UNFINISHED_RESTORE, with which no stack starts.
    """
    verified = data / UNFINISHED_RESTORE
    replaced: Path | None = None
    stamp = time.strftime("replaced-%Y%m%dT%H%M%SZ", time.gmtime())
    staging.rename(verified)
    if present:
        replaced = data / stamp
        replaced.mkdir(mode=0o700)
        for path in present:
            path.rename(replaced / path.name)
    if database is not None:
        _move_database(verified / DATABASE_FILE, database, stamp)
    for path in sorted(verified.iterdir()):
        path.rename(data / path.name)
    _sync(data)
    verified.rmdir()
    _sync(data)
    return replaced


def _move_database(restored: Path, place: Path, stamp: str) -> None:
    """Across file systems; with a database that was there go its journals, which are part of it."""
    copy = place.with_name(f"{place.name}.restored")
    shutil.copyfile(restored, copy)
    copy.chmod(0o600)
    for old in (place, *(place.with_name(place.name + end) for end in ("-wal", "-shm"))):
        if old.exists():
            old.rename(old.with_name(f"{old.name}.{stamp}"))
    copy.rename(place)
    os.sync()
    restored.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
