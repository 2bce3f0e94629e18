"""What is looked at before a stack is ready, so that a contradiction shows in one sentence."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from hearth_runtime.stack_state import SetupError
from hearth_runtime.template.connections import at_home, excess, limit_of
from hearth_runtime.template.model import Template
from hearth_runtime.template.reader import TemplateSource


async def refuse_contradictions(root: Path) -> None:
    """Ask the checkout's own check whether its capabilities' declarations fit together.

    Args:
        root: The template's folder; one without the script has nothing to check.

    Raises:
        SetupError: They do not; it names the file and the remedy.
    """
    script = root / "scripts" / "declare.py"
    if not script.is_file():
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, script, "--check"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=root,
    )
    _, said = await process.communicate()
    if process.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines() or ["scripts/declare.py failed"]
        # The first mistake; where the script itself broke, the last line says how.
        line = next((line for line in lines if line.startswith("declare: ")), lines[-1])
        raise SetupError(f"{line.removeprefix('declare: ')}.")


def refuse_too_many_connections(
    source: TemplateSource,
    template: Template,
    given: Mapping[str, str],
    replicas: Mapping[str, int],
) -> None:
    """Compare what the functions may hold with what the database admits.

    Raises:
        SetupError: It is too much.
    """
    problem = excess(at_home(template, replicas), limit_of(source, given), "--replicas")
    if problem is not None:
        raise SetupError(problem)
