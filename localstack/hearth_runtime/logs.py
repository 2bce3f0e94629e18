"""One stream of JSON lines for everything that happens in a stack."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TextIO


class LogStream:
    """Writes records to a file that rotates by size and, if wished, to a terminal."""

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
        raise NotImplementedError

    def write(self, level: str, message: str, **fields: object) -> None:
        """Write one record of the runtime itself."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
