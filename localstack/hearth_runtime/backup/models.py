"""The files of a registry of models: in a stack's folder, or with the same names in its bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = "models"
SERVED = f"{FOLDER}/served.json"
FILE = (
    rf"{FOLDER}/(?:served\.json"
    r"|(?!served\.json/)[a-z0-9][a-z0-9._-]{0,62}/[0-9a-f]{12}/[A-Za-z0-9][A-Za-z0-9._-]{0,99})"
)
"""As `hearth models` names them. Others below `models/` of a bucket are models of functions."""


def is_registry_file(name: str) -> bool:
    """Whether a key of a bucket, or a path below a stack's folder, is a file of the registry."""
    return re.fullmatch(FILE, name) is not None


def registry_files(data: Path) -> Iterator[tuple[str, Path]]:
    """Every file of the registry in a stack's folder, by name.

    What is in force comes first: its files were there before it was written, and stay until long
    after something else is.
    """
    if (data / SERVED).is_file():
        yield SERVED, data / SERVED
    for path in sorted((data / FOLDER).glob("*/*/*")):
        name = path.relative_to(data).as_posix()
        if is_registry_file(name) and path.is_file():
            yield name, path


@dataclass(slots=True)
class ModelTally:
    """How many models went by, and the bytes of all their files."""

    models: int = 0
    size: int = 0

    def add(self, name: str, size: int) -> None:
        """Count a file, if it is one of the registry."""
        if is_registry_file(name):
            self.models += name.endswith("/record.json")
            self.size += size
