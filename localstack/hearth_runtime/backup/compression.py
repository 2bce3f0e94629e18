"""gzip and Zstandard streams. Both carry checksums, so a damaged archive is noticed."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, cast

from .errors import BackupError, damaged

Compression = Literal["gzip", "zstd"]

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
# Most of a backup is JPEG and PDF, which no level makes smaller.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 3


def compression_of(path: Path) -> Compression:
    """What the name of a new archive asks for. Raises BackupError for any other name."""
    if path.name.endswith((".tar.gz", ".tgz")):
        return "gzip"
    if path.name.endswith(".tar.zst"):
        if _module() is None and _program() is None:
            raise BackupError(
                f"{path.name} needs Zstandard, and neither Python 3.14 nor the program zstd is"
                " here.",
                "Install zstd, or name the file .tar.gz.",
            )
        return "zstd"
    raise BackupError(
        f"{path.name} must end in .tar.gz or .tar.zst.", "Give the archive such a name."
    )


@contextlib.contextmanager
def compressor(raw: IO[bytes], kind: Compression) -> Iterator[IO[bytes]]:
    """A stream that is compressed into `raw`; it is complete when the block has ended."""
    if kind == "gzip":
        with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0) as stream:
            yield cast(IO[bytes], stream)
    elif (module := _module()) is not None:
        options = {
            module.CompressionParameter.compression_level: _ZSTD_LEVEL,
            module.CompressionParameter.checksum_flag: 1,
        }
        with module.ZstdFile(raw, "wb", options=options) as stream:
            yield stream
    else:
        with _zstd([f"-{_ZSTD_LEVEL}"], stdin=subprocess.PIPE, stdout=raw) as process:
            pipe = process.stdin
            if pipe is None:
                raise RuntimeError("zstd was started without a pipe")
            yield pipe
            pipe.close()
            if process.wait() != 0:
                raise BackupError(f"zstd failed: {_said(process)}", "Look at the disk's free room.")


@contextlib.contextmanager
def decompressor(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The stream that was compressed into `raw`, whichever way; damage is a BackupError."""
    magic = raw.read(4)
    raw.seek(0)
    kind = next((kind for start, kind in _MAGIC.items() if magic.startswith(start)), None)
    if kind is None:
        raise BackupError(
            "The file is not a backup: it is neither gzip nor Zstandard.", "Check its name."
        )
    try:
        if kind == "gzip":
            with gzip.GzipFile(fileobj=raw, mode="rb") as stream:
                yield cast(IO[bytes], stream)
        elif (module := _module()) is not None:
            try:
                with module.ZstdFile(raw, "rb") as stream:
                    yield stream
            except module.ZstdError as error:
                raise damaged(str(error)) from None
        elif _program() is None:
            raise BackupError(
                "The archive is compressed with Zstandard, and neither Python 3.14 nor the"
                " program zstd is here.",
                "Install zstd.",
            )
        else:
            with _zstd(["-d"], stdin=raw, stdout=subprocess.PIPE) as process:
                pipe = process.stdout
                if pipe is None:
                    raise RuntimeError("zstd was started without a pipe")
                yield pipe
                # Whoever wanted only the beginning leaves the rest, and zstd waits for a reader.
                if not pipe.read(1) and process.wait() != 0:
                    raise damaged(_said(process))
    except EOFError:
        raise damaged("it ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise damaged(f"it cannot be decompressed ({error})") from None


@contextlib.contextmanager
def _zstd(arguments: list[str], **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    program = _program() or "zstd"
    process = subprocess.Popen(  # noqa: S603 - a program of this machine, a list, no shell
        [program, "-q", "-c", *arguments], stderr=subprocess.PIPE, **streams
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _said(process: subprocess.Popen[bytes]) -> str:
    text = process.stderr.read() if process.stderr is not None else b""
    return text.decode(errors="replace").strip()[-200:] or f"status {process.returncode}"


def _program() -> str | None:
    return shutil.which("zstd")


def _module() -> Any:
    """Python's own Zstandard, from 3.14 on."""
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return None
