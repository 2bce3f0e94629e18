"""What libraries log (aiohttp, asyncio, botocore), in the one stream of the stack."""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Iterator

from aiohttp.http_exceptions import HttpProcessingError

from .logs import LogStream

_TRACE_LIMIT = 8_000  # characters


@contextlib.contextmanager
def library_logs(logs: LogStream) -> Iterator[None]:
    """While the block runs, their warnings and errors go to `logs` and not to standard error."""
    handler, root = _Handler(logs), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, logs: LogStream) -> None:
        super().__init__(logging.WARNING)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        message, error = record.getMessage(), record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            # Any client can send nonsense: it is no error of ours, and its trace says nothing.
            reason = " ".join(error.message.split())[:200]
            self._logs.write("INFO", "malformed request", logger=record.name, reason=reason)
        elif error is not None:
            trace = "".join(traceback.format_exception(error))[-_TRACE_LIMIT:]
            self._logs.write(record.levelname, message, logger=record.name, exception=trace)
        else:
            self._logs.write(record.levelname, message, logger=record.name)
