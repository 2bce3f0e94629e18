"""One stream of JSON lines for everything that happens in a stack.

Every record has `time` (UTC, RFC 3339), `level` and `message`; those of a function also `function`,
`instance` and `request_id`. A line that is a JSON object already (Powertools, awslambdaric's JSON
format) keeps its own keys; any other line becomes the message.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

LINE_LIMIT = 256 * 1024  # bytes, the largest event CloudWatch Logs takes
TAIL_LIMIT = 4096  # bytes, what X-Amz-Log-Type: Tail returns
ENCODE = json.JSONEncoder(ensure_ascii=False, default=str).encode  # json.dumps makes one a call
CUT_MARK = b" [cut: longer than 256 kB]"
# Of a human's line: shown in a column of its own, or of no use to a person at a terminal.
NOT_SHOWN = {"time", "level", "message", "function", "instance", "request_id", "timestamp"}
NOT_SHOWN |= {"location", "service", "cold_start", "logger", "requestId", "xray_trace_id"}
NOT_SHOWN |= {"function_name", "function_memory_size", "function_arn", "function_request_id"}


class LogStream:
    """Writes records to a file that rotates by size and, if wished, to a terminal.

    A disk that is full must not stop the functions: such records are counted in `dropped`.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        max_bytes: int = 10_000_000,
        backups: int = 3,
        console: TextIO | None = None,
        console_format: Literal["human", "json"] = "human",
        console_level: str = "INFO",
    ) -> None:
        """
        Args:
            path: File of JSON lines; older ones are kept as `path`.1 … `path`.`backups`.
            max_bytes: Size at which the file is rotated.
            backups: Older files to keep.
            console: Where lines are shown too, sys.stderr say.
            console_level: What is shown there; the file gets everything.
        """
        self.dropped = 0
        self._path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._file: int | None = None
        self._closed = False
        self._torn = False
        self._size = 0
        self._console = console
        self._human = console_format == "human"
        self._threshold = _severity(console_level)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open(path)

    def write(self, level: str, message: str, **fields: object) -> None:
        """Write one record of the runtime itself, or about a function (`function=…`)."""
        self._emit({"time": _now(), "level": level, **fields, "message": message})

    def function_line(
        self, function: str, instance: str, request_id: str | None, line: bytes
    ) -> None:
        """Write one line that a function wrote, without its line end.

        A JSON line that names its request itself is believed: what a container writes comes a
        moment late.
        """
        about: dict[str, Any] = {"function": function, "instance": instance}
        if request_id is not None:
            about["request_id"] = request_id
        if (entry := parse_object(line)) is not None:
            level = str(entry.get("level", "INFO")).upper()
            if "message" not in entry:  # awslambdaric's report of an exception has none
                entry["message"] = ": ".join(
                    str(entry[key]) for key in ("errorType", "errorMessage") if key in entry
                )
            own = entry.get("requestId") or entry.get("function_request_id")
            if own and isinstance(own, str):
                about["request_id"] = own
            self._emit({**entry, "time": _now(), "level": level, **about})
        elif line.strip():
            text = line.decode("utf-8", "replace").replace("\r", "\n")
            self._emit({"time": _now(), "level": "INFO", **about, "message": text})

    def close(self) -> None:
        """Close the file; later records reach the terminal only."""
        self._closed = True
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _emit(self, record: Mapping[str, Any]) -> None:
        if self._path is not None and not self._closed:
            self._append(self._path, ENCODE(record).encode("utf-8", "replace") + b"\n")
        if self._console is not None and _severity(str(record["level"])) >= self._threshold:
            text = _for_person(record) if self._human else ENCODE(record)
            with contextlib.suppress(OSError, ValueError):  # the terminal may be gone
                self._console.write(text + "\n")
                self._console.flush()

    def _append(self, path: Path, data: bytes) -> None:
        try:
            if self._size + len(data) > self._max_bytes and self._size:
                self._rotate(path)
            # A file that could not be opened after a rotation is tried again at each record.
            file = self._open(path) if self._file is None else self._file
            # A record that was cut off by a full disk ends where the next one begins.
            if self._torn:
                data = b"\n" + data
            # One unbuffered write a record: nothing is lost when the runtime is killed.
            written = os.write(file, data)
            self._size += written
            self._torn = written < len(data)
            self.dropped += self._torn
        except OSError:
            self.dropped += 1

    def _open(self, path: Path) -> int:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._size = os.fstat(self._file).st_size
        return self._file

    def _rotate(self, path: Path) -> None:
        self._close_file()
        self._size = 0
        for number in range(self._backups, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path if number == 1 else older.with_suffix(f".{number - 1}")
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
        if self._backups == 0:
            path.unlink(missing_ok=True)


class LineSplitter:
    """Cuts a byte stream into lines of at most 256 kB; the rest of a longer one is thrown away."""

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self._on_line = on_line
        self._part = bytearray()
        self._cutting = False

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._keep(piece)
            self.flush()
        self._keep(rest)

    def flush(self) -> None:
        """End the current line; at the end of the stream it may have no line end."""
        if self._part:
            self._on_line(bytes(self._part) + (CUT_MARK if self._cutting else b""))
        self._part.clear()
        self._cutting = False

    def _keep(self, piece: bytes) -> None:
        room = LINE_LIMIT - len(self._part)
        self._part += piece[:room]
        self._cutting = self._cutting or len(piece) > room


class Tail:
    """The last 4 KB of what was added."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, line: bytes) -> None:
        """Add a line; its end is added here."""
        self._kept += line[-TAIL_LIMIT:] + b"\n"
        if len(self._kept) > 2 * TAIL_LIMIT:
            del self._kept[:-TAIL_LIMIT]

    def bytes(self) -> bytes:
        """What X-Amz-Log-Type: Tail returns, before base64."""
        return bytes(self._kept[-TAIL_LIMIT:])


def parse_object(line: bytes) -> dict[str, Any] | None:
    """The JSON object that a line is, or None."""
    if not line.startswith(b"{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _severity(level: str) -> int:
    known = logging.getLevelNamesMapping()
    return known.get(level.upper(), logging.INFO)


def _for_person(record: Mapping[str, Any]) -> str:
    clock = str(record["time"])[11:23]
    who = str(record.get("function", "runtime"))
    request = str(record.get("request_id", ""))[:8]
    more = " ".join(f"{key}={value}" for key, value in record.items() if key not in NOT_SHOWN)
    message = record.get("message", "")
    parts = (clock, f"{record['level']:<7}", f"{who:<14}", request, str(message), more)
    return " ".join(part for part in parts if part)
