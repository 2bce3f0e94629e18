"""Programs that live in a virtual environment of their own (scripts/tools)."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def program_folder(name: str) -> Path:
    """The bin folder of `.venv-tools-NAME`, which is made when it is missing."""
    made = subprocess.run(
        ["scripts/tools", name], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(made.stdout.strip())
