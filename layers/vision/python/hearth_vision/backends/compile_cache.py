"""A folder in which compiled programs are kept, so that the next process need not compile them.

A function that scales to zero starts often; of YOLOv8n's start compiling is more than half. What
lies there is native code's input, so the folder must be ours alone.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

KEPT = 16
"""Programs: a model has one for each input size and arithmetic, about as big as its file."""


def default_folder() -> Path:
    """In the temporary folder, a place of this user's."""
    return Path(tempfile.gettempdir()) / f"hearth-compiled-{os.getuid()}"


def compile_cache(folder: Path) -> Path | None:
    """The folder, made if there is none and with only the newest programs in it.

    Returns:
        None where it cannot be had, or where others may write to it: in a temporary folder anybody
        could have made it first.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
        if not private or status.st_uid != os.getuid():
            return None
        programs = sorted(folder.glob("*.blob"), key=lambda path: path.stat().st_mtime)
        for path in programs[:-KEPT]:
            path.unlink(missing_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
