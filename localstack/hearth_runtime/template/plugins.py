"""What a user's functions declare, for Hearth's own functions to know: the parameter `Plugins`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from hearth_runtime.stack_state import SetupError

PLUGINS_PARAMETER: Final = "Plugins"


def declarations_of(folder: Path, project: Path) -> str:
    """The declarations of `<folder>/*/capability.py` as JSON.

    Read in a process of its own, by a program of the project: the runtime imports no function.

    Raises:
        SetupError: One cannot be read, or contradicts another; the message names the file.
    """
    program = project / "scripts" / "declare.py"
    done = subprocess.run(  # noqa: S603  # a program of the project, without a shell
        [sys.executable, str(program), "--plugins", str(folder.resolve())],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise SetupError(f"the declarations of {folder} cannot be used: {reason[-1]}")
    return done.stdout.strip()
