"""`hearth compose`: the files with which Docker Compose runs the stack on a small computer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hearth_runtime.commands import options
from hearth_runtime.commands.output import CommandError, output_of
from hearth_runtime.commands.stack import replica_counts
from hearth_runtime.compose import TOTAL_MB, ComposePlan, compose_files


def compose(
    ctx: typer.Context,
    template: options.Template = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write; localstack/ by default.")
    ] = None,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MB", help="What the whole stack may take.")
    ] = TOTAL_MB,
    replicas: Annotated[
        list[str] | None,
        typer.Option(metavar="FUNCTION=N", help="Containers of a function; repeatable."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell whether the files are in step.")
    ] = False,
    json_: options.JsonFlag = False,
) -> None:
    """Write compose.yaml, compose.dev.yaml and env.example from the template."""
    output = output_of(ctx)
    found = options.template_path(template)
    target = (folder or found.parent / "localstack").resolve()
    files = compose_files(ComposePlan(found, target, memory, replica_counts(replicas or [])))
    stale = [name for name, text in files.items() if _read(target / name) != text]
    if check and stale:
        raise CommandError(
            f"{', '.join(stale)} in {target} would be written otherwise.",
            "Run `hearth compose`, and commit what it writes.",
        )
    if not check:
        target.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (target / name).write_text(files[name], encoding="utf-8")
    if output.json:
        output.answer({"folder": str(target), "files": list(files), "written": stale})
    output.say(f"{', '.join(stale)} written to {target}." if stale else "All files are in step.")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
