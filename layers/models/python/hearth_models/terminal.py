"""Output of the commands, as text or as JSON, and their exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from hearth.errors import CallerError, HearthError

FAILED = 1  # the command failed
MISUSED = 2  # wrong arguments, files or state


class Terminal:
    """Answers go to stdout, everything else to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self.json = as_json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def print_json(self, facts: Any) -> None:
        """Print the JSON document of a command run with --json."""
        sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()

    def info(self, text: str) -> None:
        """Print progress to stderr; silent with --json."""
        if not self.json:
            self.err.print(escape(text))

    def warn(self, text: str) -> None:
        """Print a warning to stderr; silent with --json."""
        if not self.json:
            self.err.print(f"[yellow]warning[/]: {escape(text)}")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table."""
        table = Table(*columns, title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        self.out.print(table)

    def print(self, text: str) -> None:
        """Print a line of the result."""
        self.out.print(escape(text))

    def fail(self, error: HearthError) -> None:
        """Print an error to stderr, with --json as an object."""
        if self.json:
            facts = {"error": {"code": error.code, "message": error.message}}
            sys.stderr.write(json.dumps(facts, ensure_ascii=False) + "\n")
            return
        text = error.message if error.message.endswith((".", "!", "?")) else f"{error.message}."
        self.err.print(f"[bold red]error[/]: {escape(text)}")


class Commands(TyperGroup):
    """Maps errors to a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except HearthError as error:
            terminal_of(ctx).fail(error)
            code = MISUSED if isinstance(error, CallerError) else FAILED
            raise typer.Exit(code) from None


def set_json(ctx: typer.Context, value: bool) -> bool:
    """Callback of every --json option: errors, too, are JSON from here on."""
    terminal_of(ctx).json |= value
    return value


def terminal_of(ctx: Any) -> Terminal:
    """The terminal of the command that runs."""
    root = ctx.find_root()
    if not isinstance(root.obj, Terminal):
        root.obj = Terminal(as_json=False)
    return root.obj


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, soft_wrap=True, highlight=False)
    # A file or a pipe has no width; Rich's 80 would break every id in two.
    if not console.is_terminal:
        console.width = 160
    return console
