"""What other processes need to know about a running stack, and the proof that it runs.

The proof is a file lock that the runtime holds for as long as it lives: the kernel releases it
however the process ends, `kill -9` and power cuts included. A process id alone proves nothing,
because ids are reused.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

STATE_FILE = "runtime.json"
LOCK_FILE = "runtime.lock"
UNFINISHED_RESTORE = "restore.unfinished"  # the folder that `hearth restore` moves things from
_PATIENCE_S = 0.2


class SetupError(Exception):
    """The stack cannot run as asked. The message is one sentence that says what to change."""


class AlreadyRunning(SetupError):
    """Another runtime holds the data directory."""


@dataclass(frozen=True)
class StackState:
    """Where a ready stack answers. Times are RFC 3339 in UTC; `queues` maps logical ids to URLs;
    `database` is the dialect of its database, "" where the template asks for none; `owner_url` is
    where programs of this machine reach the HTTP API, which may be another address."""

    pid: int
    started_at: str
    gateway_url: str
    control_url: str
    endpoint_url: str
    bucket: str
    queues: Mapping[str, str]
    stack: str
    log_path: str
    database: str = ""
    owner_url: str = ""


class StackLock:
    """The right to run a stack in a data directory, held by at most one process."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._file: IO[str] | None = None

    def __enter__(self) -> StackLock:
        """Take the lock, and remove what a killed predecessor left. Raises AlreadyRunning."""
        # Ours alone: the database knows who gets reports.
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (self._data / LOCK_FILE).open("a+", encoding="utf-8")
        if not _locked_within(file, _PATIENCE_S):
            file.seek(0)
            pid = file.read().strip() or "unknown"
            file.close()
            raise AlreadyRunning(
                f"A stack is already running on {self._data} (process {pid}): stop it with"
                " `hearth down`, or give another --data directory."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        (self._data / STATE_FILE).unlink(missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        (self._data / STATE_FILE).unlink(missing_ok=True)
        if self._file is not None:
            # The file stays: removing it would let a second process lock a new one meanwhile.
            self._file.close()
            self._file = None


def write_state(data: Path, state: StackState) -> None:
    """Publish the state of a ready stack; a reader sees the old file or the new, never half."""
    handle, name = tempfile.mkstemp(dir=data, prefix=STATE_FILE, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({**asdict(state), "queues": dict(state.queues)}, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(data / STATE_FILE)


def read_state(data: Path) -> StackState | None:
    """The stack that runs on this data directory, or None when none does or it is not ready."""
    try:
        raw: Any = json.loads((data / STATE_FILE).read_text(encoding="utf-8"))
        lock = (data / LOCK_FILE).open("r", encoding="utf-8")
    except (FileNotFoundError, ValueError):
        return None
    with lock:
        if _unlocked(lock) or not isinstance(raw, dict):
            return None
        if lock.read().strip() != str(raw.get("pid")):
            return None
    try:
        return StackState(**raw)
    except TypeError:  # written by another version
        return None


def _locked_within(file: IO[str], patience_s: float) -> bool:
    """Take the lock, waiting a moment: a reader that looks holds it for an instant."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def _unlocked(file: IO[str]) -> bool:
    """Whether nobody holds the lock. A shared lock is tried and given back at once."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True
