"""`hearth models …`: the model tools, a program of its own."""

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

MODEL_TOOLS = "hearth_models"
STACK_BUCKET = "HEARTH_STACK_BUCKET"

# Every argument is theirs, --help too.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def models(ctx: typer.Context) -> None:
    """Add, check, compare, serve and measure detection models: `hearth models --help`."""
    if importlib.util.find_spec(MODEL_TOOLS) is None:
        raise CommandError(
            "Preparing models is not installed here: the images hold only what runs.",
            "Call it in the project's folder after ./scripts/setup.",
            code=MISUSED,
        )
    # It is no part of the runtime, which drives the product from outside and imports none of it.
    command = [sys.executable, "-m", MODEL_TOOLS, *(ctx.args or ["--help"])]
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
