"""`hearth new`: the skeleton of a capability, ready to run."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hearth_runtime.commands import options
from hearth_runtime.commands.output import CommandError, output_of
from hearth_runtime.scaffold.insertion import (
    insert_functions,
    insert_queue,
    insert_readme_row,
    set_revision,
)
from hearth_runtime.scaffold.plan import (
    NewCapability,
    next_revision,
    planned_files,
)

_GENERATORS = ("declare.py", "dockerfiles", "event_schemas.py", "openapi.py")
"""Programs of scripts/ that derive files from what the capabilities declare."""


def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="In snake case, such as plant_care.")],
    http: Annotated[bool, typer.Option("--http", help="With an HTTP API.")] = False,
    queue: Annotated[bool, typer.Option("--queue", help="With a queue and a worker.")] = False,
    resource: Annotated[
        bool,
        typer.Option("--resource", help="With a declared model: table, nine operations, routes."),
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="DIR",
            help="A plugin in a folder of your own, for `hearth up --functions DIR`.",
        ),
    ] = None,
    template: options.Template = None,
    json_: options.JsonFlag = False,
) -> None:
    """Write a new capability: function, template block, events, migration, tests."""
    output = output_of(ctx)
    wanted = NewCapability(name, http, queue, resource, plugin=into is not None)
    project = options.template_path(template).parent
    root = into.absolute() if into is not None else project
    files = planned_files(wanted, root)
    if taken := next((path for path in files if (root / path).exists()), None):
        raise CommandError(f"{root / taken} exists.", "Choose another name.")
    edited = _edits(wanted, project) if into is None else {}
    for path, text in (files | edited).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    _format([root / path for path in files if path.suffix == ".py"], project)
    if into is None:
        _generate(project)
    lines = sum(text.count("\n") for text in files.values())
    if output.json:
        output.answer(
            {
                "name": name,
                "folder": str(root),
                "written": [str(path) for path in files],
                "edited": [str(path) for path in edited],
                "lines": lines,
            }
        )
    for path in files:
        output.say(f"  {path}")
    output.say(f"{len(files)} files with {lines} lines written below {root}.")
    output.say(
        f"Next: hearth up --functions {into}"
        if into is not None
        else "Next: scripts/lint; hearth up"
    )


def _edits(wanted: NewCapability, project: Path) -> dict[Path, str]:
    """The files of the project that gain something."""
    template = insert_functions(_text(project / "template.yaml"), wanted)
    if wanted.queue:
        template = insert_queue(template, wanted)
    if wanted.resource:
        template = set_revision(template, next_revision(project))
    readme = insert_readme_row(_text(project / "README.md"), wanted)
    return {Path("template.yaml"): template, Path("README.md"): readme}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _format(paths: list[Path], project: Path) -> None:
    """Long names break lines elsewhere; without the project's formatter they stay long."""
    if find_spec("ruff") is not None:
        config = f"--config={project / 'pyproject.toml'}"
        _run(["-m", "ruff", "format", "--quiet", config, *map(str, paths)], project)


def _generate(project: Path) -> None:
    for generator in _GENERATORS:
        _run([str(project / "scripts" / generator)], project)
    template = str(project / "template.yaml")
    _run(["-m", "hearth_runtime", "compose", "--template", template], project)


def _run(arguments: list[str], project: Path) -> None:
    done = subprocess.run(  # noqa: S603  # programs of the project, without a shell
        [sys.executable, *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        name = Path(arguments[0]).name if arguments[0] != "-m" else arguments[1]
        raise CommandError(f"{name} failed: {(done.stderr or done.stdout).strip()[-400:]}")
