"""`hearth`: run the stack on this machine, feed it, and see what it did."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hearth_runtime.commands import (
    backup,
    cameras,
    compose,
    doctor,
    incidents,
    invoke,
    jobs,
    logs,
    models,
    new,
    run,
    service,
    stack,
    watch,
)
from hearth_runtime.commands.output import FAILED, MISUSED, CommandError, output_of
from hearth_runtime.stack_state import SetupError
from hearth_runtime.watch.errors import SourceError, WatchError


class Commands(TyperGroup):
    """Turns errors into a sentence and an exit code: 1 it failed, 2 it could not be begun."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (CommandError, WatchError, SetupError) as error:
            output = output_of(ctx)
            if output.debug:
                raise
            output.fail(_as_command_error(error))
            raise typer.Exit(_as_command_error(error).code) from None


def _as_command_error(error: CommandError | WatchError | SetupError) -> CommandError:
    if isinstance(error, CommandError):
        return error
    if isinstance(error, WatchError):
        code = MISUSED if isinstance(error, SourceError) else FAILED
        return CommandError(error.message, error.remedy, code=code)
    return CommandError(str(error), code=MISUSED)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Watches, understands and looks after a home or a small worksite.",
)


def show_version(wanted: bool) -> None:
    """Print the version and exit."""
    if wanted:
        typer.echo(f"hearth {version('hearth')}")
        raise typer.Exit


@app.callback()
def main(
    ctx: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="HEARTH_DEBUG", help="Show where an error arose.")
    ] = False,
) -> None:
    """Watches, understands and looks after a home or a small worksite."""
    output_of(ctx).debug = debug


app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.command()(invoke.invoke)
app.command()(watch.watch)
app.add_typer(cameras.app, name="cameras")
app.add_typer(incidents.app, name="incidents")
app.add_typer(jobs.app, name="jobs")
app.add_typer(service.app, name="service")
app.command()(logs.logs)
app.command()(doctor.doctor)
app.command(context_settings=models.PASSED_ON)(models.models)
app.command()(compose.compose)
app.command()(new.new)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(run.run)
app.command()(run.demo)

if __name__ == "__main__":
    app()
