"""Makes a backup, from a stack that runs or from its folder.

The database comes first, objects after it. Rows name objects, never the other way round: an object
that a row of the snapshot names was stored before the row was committed, so a listing that begins
afterwards has it. The other order could copy a row whose object came between. What the listing has
beyond the snapshot does no harm: the sweep finds frames without a row and has them judged, and keys
and bytes are functions of the frames, so that the same reports come of them once more. (An image
of evidence is drawn anew when its incident grows. Then the archive may hold a newer one than its
row; the frame that made it grow is in the archive too, and leads to that row again.)
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hearth_runtime.stack_state import StackState, read_state

from . import database, object_folder
from .archive import RECORDS, ArchiveWriter, Header
from .bucket import bucket_objects
from .compression import compression_of, compressor
from .errors import BackupError
from .models import ModelTally, is_registry_file, registry_files
from .new_file import FULL, Room, disk_full, new_file

FRAMES = "frames/"
DATABASE_FILE = "hearth.db"
OBJECTS_FOLDER = "objects"


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What a backup holds; sizes in bytes, `seconds` of wall time."""

    file: str
    size: int
    database: str
    schema_revision: str | None
    objects: int
    objects_size: int
    frames: bool
    models: int
    models_size: int
    running: bool
    seconds: float


def back_up(
    data: Path,
    target: Path,
    *,
    database_url: str | None = None,
    frames: bool = True,
    models: bool = True,
    progress: Callable[[int], None] = lambda objects: None,
) -> BackupSummary:
    """Write a backup of the stack on `data` to `target`.

    Args:
        target: A file that does not exist, *.tar.gz or *.tar.zst. It appears when it is complete.
        database_url: SQLAlchemy URL of a database that is not the one in the folder.
        frames: Whether the frames of cameras are in it, too.
        models: Whether the models of `hearth models` are, with which one is in force.
        progress: Called with the number of objects copied so far.

    Raises:
        BackupError: Something is missing, in the way or full; nothing is left behind then.
    """
    began = time.monotonic()
    kind = compression_of(target)
    state = read_state(data)
    _check(data, state, database_url)

    def wanted(key: str) -> bool:
        return (frames or not key.startswith(FRAMES)) and (models or not is_registry_file(key))

    objects: Iterable[object_folder.StoredObject] = (
        bucket_objects(state, wanted)
        if state is not None
        else object_folder.stored_objects(data / OBJECTS_FOLDER, wanted)
    )
    tally = ModelTally()
    room = Room(target.parent)
    try:
        with (
            new_file(target) as raw,
            tempfile.TemporaryFile(dir=target.parent) as manifest,
            compressor(raw, kind) as stream,
            ArchiveWriter(stream, manifest) as archive,
        ):
            header = _add_database(archive, data, database_url, frames, models, room)
            for name in RECORDS:
                with contextlib.suppress(FileNotFoundError), (data / name).open("rb") as file:
                    archive.add(f"records/{name}", file, os.fstat(file.fileno()).st_size)
            for name, path in registry_files(data) if models else ():
                _add_model_file(archive, name, path, tally, room)
            before, copied = archive.bytes, 0
            for item in objects:
                room.take(item.size)
                archive.add(
                    item.name,
                    item.body,
                    item.size,
                    modified=item.last_modified.timestamp(),
                    facts=item.facts,
                )
                tally.add(item.key, item.size)
                copied += 1
                progress(copied)
            total = archive.bytes - before
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(target.parent) from None
        raise BackupError(
            f"The backup was not written: {error}.", "See `hearth doctor`, and try again."
        ) from error
    return BackupSummary(
        file=str(target),
        size=target.stat().st_size,
        database=header.database,
        schema_revision=header.schema_revision,
        objects=copied,
        objects_size=total,
        frames=frames,
        models=tally.models,
        models_size=tally.size,
        running=state is not None,
        seconds=round(time.monotonic() - began, 3),
    )


def hearth_version() -> str:
    """The version of this Hearth."""
    try:
        return version("hearth")
    except PackageNotFoundError:  # run from a folder that was not installed
        return "0"


def _check(data: Path, state: StackState | None, database_url: str | None) -> None:
    if not data.is_dir():
        raise BackupError(f"Folder {data} does not exist.", "Name a stack's folder with --data.")
    if database_url is None and state is not None and state.database not in ("", "sqlite"):
        raise BackupError(
            f"The stack on {data} keeps its database in {state.database}.",
            "Name it with --database-url, or in DATABASE_URL.",
        )
    if database_url is None and not (data / DATABASE_FILE).is_file():
        raise BackupError(
            f"{data} holds no database.",
            "Name the stack's folder with --data; one that is not in it, with --database-url.",
        )
    if state is None and not (data / OBJECTS_FOLDER).is_dir():
        raise BackupError(
            f"{data} holds no objects: the stack kept them on another S3 server.",
            "Start the stack, then back it up.",
        )


def _add_model_file(
    archive: ArchiveWriter, name: str, path: Path, tally: ModelTally, room: Room
) -> None:
    # One that is removed meanwhile is left out, as if it had been removed before.
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        found = os.fstat(file.fileno())
        room.take(found.st_size)
        archive.add(name, file, found.st_size, modified=found.st_mtime)
        tally.add(name, found.st_size)


def _add_database(
    archive: ArchiveWriter, data: Path, url: str | None, frames: bool, models: bool, room: Room
) -> Header:
    with _snapshot(data, url, room.folder) as snapshot:
        header = Header(hearth_version(), _now(), snapshot.kind, snapshot.revision, frames, models)
        archive.begin(header)
        room.take(snapshot.size)
        snapshot.file.seek(0)
        archive.add(snapshot.name, snapshot.file, snapshot.size, modified=time.time())
    return header


def _snapshot(
    data: Path, url: str | None, scratch: Path
) -> contextlib.AbstractContextManager[database.Snapshot]:
    if url is None:
        return database.sqlite_snapshot(data / DATABASE_FILE, scratch)
    if database.is_postgresql(url):
        return database.postgresql_snapshot(url, scratch)
    if url.startswith("sqlite:///") and Path(url.removeprefix("sqlite:///")).is_file():
        return database.sqlite_snapshot(Path(url.removeprefix("sqlite:///")), scratch)
    raise BackupError(
        f"{url.partition(':')[0]}:… names no database that can be backed up.",
        "Give postgresql://user:password@host/name, or sqlite:///path of a file.",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
