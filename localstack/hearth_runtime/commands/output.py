"""What a person, or a program with --json, gets to see; and how errors end a command."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

FAILED = 1  # what was asked for did not succeed
MISUSED = 2  # it could not even be begun: wrong arguments, files or state


class CommandError(Exception):
    """Ends a command: one sentence on what is wrong, one on the remedy, and the exit code."""

    def __init__(self, message: str, remedy: str = "", *, code: int = FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code


@dataclass
class Output:
    """Where a command writes: answers to stdout, everything else to stderr."""

    json: bool = False
    debug: bool = False
    out: Console = field(default_factory=lambda: _console(stderr=False))
    err: Console = field(default_factory=lambda: _console(stderr=True))

    def answer(self, facts: Any) -> None:
        """The one JSON document of a command run with --json."""
        self.line(json.dumps(facts, indent=2, ensure_ascii=False, default=str))

    def event(self, facts: Any) -> None:
        """One JSON line of a stream of them."""
        self.line(json.dumps(facts, ensure_ascii=False, default=str))

    def line(self, text: str) -> None:
        """Text to stdout as it is, at once."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """A remark for a person; Rich markup. Silent with --json."""
        if not self.json:
            self.err.print(text)

    def fail(self, error: CommandError) -> None:
        """Tell what went wrong: a sentence, or with --json an object on stderr."""
        if self.json:
            facts = {"error": {"message": error.message, "remedy": error.remedy}}
            sys.stderr.write(json.dumps(facts, ensure_ascii=False) + "\n")
        else:
            message = (
                error.message if error.message.endswith((".", "!", "?")) else f"{error.message}."
            )
            self.err.print(f"[bold red]error[/]: {escape(f'{message} {error.remedy}'.rstrip())}")


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, soft_wrap=True, highlight=False)
    # A file or a pipe has no width; Rich's 80 would break every id in two.
    if not console.is_terminal:
        console.width = 160
    return console


def output_of(ctx: typer.Context) -> Output:
    """The output of the command that runs."""
    return ctx.ensure_object(Output)


def set_json(ctx: typer.Context, value: bool) -> bool:
    """Callback of every --json option: errors, too, are JSON from here on."""
    if value:
        output_of(ctx).json = True
    return value
