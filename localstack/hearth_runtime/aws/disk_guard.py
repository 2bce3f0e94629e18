"""Refuses objects that cannot be kept: MiniStack answers 200 for what stays in its memory alone.

Who is refused tries again: a camera keeps its frames in the spool, a job stays open.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from .browser_guard import Application, Message, Receive, Send

# Left to the database and the logs, which have to note what happens meanwhile.
RESERVE_BYTES = 32 * 2**20
RESERVE_INODES = 100
_BODY = (
    b"<Error><Code>SlowDown</Code><Message>there is no room on the disk of the objects</Message>"
    b"</Error>"
)
_HEADERS = [
    (b"content-type", b"application/xml"),
    (b"content-length", b"%d" % len(_BODY)),
    (b"retry-after", b"5"),
]


class DiskGuard:
    """ASGI middleware that answers 503 where an object does not reach the disk."""

    def __init__(self, application: Application, folder: Path) -> None:
        """
        Args:
            folder: Where MiniStack keeps objects.
        """
        self._application = application
        self._folder = folder
        self._failures = _PersistFailures()
        logging.getLogger("s3").addHandler(self._failures)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _stores_object(scope):
            await self._application(scope, receive, send)
            return
        length = int(dict(scope["headers"]).get(b"content-length", b"0") or 0)
        if not has_room(self._folder, length):
            await _drain(receive)
            await _refuse(send)
            return
        self._failures.keys.discard(_key(scope))
        answer: list[Message] = []

        async def collect(message: Message) -> None:
            answer.append(message)

        await self._application(scope, receive, collect)
        if _key(scope) in self._failures.keys:
            self._failures.keys.discard(_key(scope))
            await _refuse(send)
            return
        for message in answer:
            await send(message)


class _PersistFailures(logging.Handler):
    """Collects the objects (bucket, key) that MiniStack says it could not persist."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.keys: set[tuple[str, str]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("Failed to persist S3 object %s/%s") and record.args:
            bucket, key, *_ = record.args
            self.keys.add((str(bucket), str(key)))


def has_room(folder: Path, length: int) -> bool:
    """Whether a file of `length` bytes can be written, with a reserve for the rest of the stack.

    A quota, a read-only file system and a lack of inodes are found by writing a file.
    """
    try:
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize < length + RESERVE_BYTES:
            return False
        if disk.f_files and disk.f_favail < RESERVE_INODES:
            return False
        with tempfile.TemporaryFile(dir=folder.parent) as file:
            file.write(b"x" * 4096)
            file.flush()
    except OSError:
        return False
    return True


def _key(scope: MutableMapping[str, Any]) -> tuple[str, str]:
    bucket, _, key = str(scope["path"]).lstrip("/").partition("/")
    return bucket, key


def _stores_object(scope: MutableMapping[str, Any]) -> bool:
    """Whether the request puts an object, or joins its parts into one."""
    joins = scope["method"] == "POST" and b"uploadId=" in scope["query_string"]
    return (scope["method"] == "PUT" or joins) and bool(_key(scope)[1])


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _refuse(send: Send) -> None:
    await send({"type": "http.response.start", "status": 503, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})
