"""`hearth models …`: the workshop for models, a program of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import typer

from hearth_runtime.aws.endpoint import AwsEndpoint
from hearth_runtime.commands.options import DEFAULT_DATA
from hearth_runtime.commands.output import MISUSED, CommandError
from hearth_runtime.stack_state import read_state

WORKSHOP = "hearth_models"
STACK_BUCKET = "HEARTH_STACK_BUCKET"

# Every argument is the workshop's, --help too.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def models(ctx: typer.Context) -> None:
    """Add, check, compare, serve and measure detection models: `hearth models --help`."""
    if importlib.util.find_spec(WORKSHOP) is None:
        raise CommandError(
            "The workshop for models is not installed here: the images hold what runs, not it.",
            "Call it in the project's folder after ./scripts/setup.",
            code=MISUSED,
        )
    # It is no part of the runtime, which drives the product from outside and imports none of it.
    command = [sys.executable, "-m", WORKSHOP, *(ctx.args or ["--help"])]
    done = subprocess.run(command, env=_environment(ctx.args), check=False)  # noqa: S603
    raise typer.Exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


def _environment(arguments: list[str]) -> dict[str, str]:
    """Ours, and where the frames of a running stack's cameras lie."""
    environment = dict(os.environ)
    elsewhere = "HEARTH_BUCKET" in os.environ or any(
        a == "--bucket" or a.startswith("--bucket=") for a in arguments
    )
    state = None if elsewhere else read_state(_data(arguments))
    if state is not None:
        environment |= AwsEndpoint.local(state.endpoint_url).environment()
        environment[STACK_BUCKET] = state.bucket
    return environment


def _data(arguments: list[str]) -> Path:
    for index, argument in enumerate(arguments):
        if argument == "--data" and index + 1 < len(arguments):
            return Path(arguments[index + 1])
        if argument.startswith("--data="):
            return Path(argument.removeprefix("--data="))
    return Path(os.environ.get("HEARTH_DATA") or DEFAULT_DATA)
