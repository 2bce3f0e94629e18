"""`hearth backup` and `hearth restore`: everything a stack keeps, in one file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from hearth_runtime.backup.errors import BackupError
from hearth_runtime.commands import options
from hearth_runtime.commands.output import CommandError, Output, output_of

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="DATABASE_URL",
        help="PostgreSQL database of the stack; by default its SQLite file.",
    ),
]


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="New file, *.tar.gz or *.tar.zst.")],
    data: options.Data = options.DEFAULT_DATA,
    database_url: DatabaseUrl = None,
    exclude_frames: Annotated[
        bool,
        typer.Option(
            "--exclude-frames",
            help="Leave out the cameras' frames. What is not judged yet stays unjudged.",
        ),
    ] = False,
    without_models: Annotated[
        bool,
        typer.Option(
            "--without-models", help="Leave out the models of `hearth models`: add them again."
        ),
    ] = False,
    json_: options.JsonFlag = False,
) -> None:
    """Copy database, evidence, reports, frames and models into one file, while the stack runs or
    not.

    Settings, the policy and a model that --model names are not in it: keep them beside it.
    """
    from hearth_runtime.backup.backup import back_up

    output = output_of(ctx)
    with _backup_errors(), _counting(output, "copied") as progress:
        summary = back_up(
            data,
            file,
            database_url=database_url,
            frames=not exclude_frames,
            models=not without_models,
            progress=progress,
        )
    if output.json:
        output.answer(asdict(summary))
        return
    besides = "" if summary.frames else ", without frames"
    if without_models:
        besides += ", without models"
    elif summary.models:
        counted = "1 model" if summary.models == 1 else f"{summary.models} models"
        besides += f", with {counted} of {summary.models_size / 1e6:.1f} MB"
    output.out.print(
        f"[bold]{escape(summary.file)}[/] holds the database (schema {summary.schema_revision})"
        f" and {summary.objects} objects{besides}: {summary.size / 1e6:.1f} MB"
        f" in {summary.seconds:.1f} s"
    )


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `hearth backup` wrote.")],
    data: options.Data = options.DEFAULT_DATA,
    database_url: DatabaseUrl = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="The folder need not be empty: put its content aside."),
    ] = False,
    json_: options.JsonFlag = False,
) -> None:
    """Bring a backup into an empty folder; `hearth up` goes on from there."""
    from hearth_runtime.backup.restore import restore as restore_backup

    output = output_of(ctx)
    with _backup_errors(), _counting(output, "restored") as progress:
        summary = restore_backup(
            file, data, force=force, database_url=database_url, progress=progress
        )
    if output.json:
        output.answer(asdict(summary))
        return
    output.out.print(
        f"[bold]{escape(summary.data)}[/] is as of {summary.created_at}: database (schema"
        f" {summary.schema_revision}) and {summary.objects} objects, every one checked"
    )
    if not summary.models:
        output.say("No model is in it: add and promote yours (hearth models add).")
    if summary.replaced is not None:
        output.say(f"What was there is in {escape(summary.replaced)}; delete it when you are sure.")


@contextlib.contextmanager
def _backup_errors() -> Iterator[None]:
    try:
        yield
    except BackupError as error:
        raise CommandError(error.message, error.remedy) from error


@contextlib.contextmanager
def _counting(output: Output, what: str) -> Iterator[Callable[[int], None]]:
    if output.json or not output.err.is_terminal:
        yield lambda objects: None
        return
    with output.err.status(f"0 objects {what}") as status:

        def show(objects: int) -> None:
            if objects % 100 == 0:
                status.update(f"{objects} objects {what}")

        yield show
