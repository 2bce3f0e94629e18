"""`hearth logs`: the one log stream of a stack."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.markup import escape

from hearth_runtime.commands import options
from hearth_runtime.commands.output import MISUSED, CommandError, Output, output_of
from hearth_runtime.stack_state import read_state

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}
_SHOWN_APART = frozenset({"time", "timestamp", "level", "function", "instance", "message"})
_POLL_S = 0.2


def logs(
    ctx: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on showing what comes.")
    ] = False,
    function: Annotated[str | None, typer.Option("--function", help="Only this one's.")] = None,
    level: Annotated[str, typer.Option("--level", help="This severity and worse.")] = "INFO",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")
    ] = 50,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Show what the stack and its functions have written."""
    output = output_of(ctx)
    least = level.upper()
    if least not in _LEVELS:
        raise CommandError(
            f"{level} is not a level.", f"Levels are {', '.join(_LEVELS).lower()}.", code=MISUSED
        )
    path = _log_path(data)
    with path.open(encoding="utf-8", errors="replace") as file:
        latest: deque[str] = deque(
            (line for line in file if _matches(_parse(line), function, least)), maxlen=lines
        )
        for line in latest:
            _show(output, line)
        if follow:
            position = file.tell()
    if follow:
        for line in _follow(path, position):
            if _matches(_parse(line), function, least):
                _show(output, line)


def _log_path(data: Path) -> Path:
    state = read_state(data)
    found = [Path(state.log_path)] if state else sorted(data.glob("runtime.log"))
    if not found or not found[0].is_file():
        raise CommandError(
            f"{data} holds no log.",
            "Start a stack with `hearth up`, or name its folder with --data.",
            code=MISUSED,
        )
    return found[0]


def _follow(path: Path, position: int) -> Iterator[str]:
    """Lines that are added to a file, across its rotation; never ends."""
    file: TextIO = path.open(encoding="utf-8", errors="replace")
    file.seek(position)
    part = ""
    try:
        while True:
            part += file.readline()
            if part.endswith("\n"):
                yield part
                part = ""
                continue
            time.sleep(_POLL_S)
            try:
                rotated = path.stat().st_ino != os.fstat(file.fileno()).st_ino
            except OSError:
                rotated = False
            if rotated and not part:
                rest = file.readlines()
                file.close()
                file = path.open(encoding="utf-8", errors="replace")
                yield from rest
    finally:
        file.close()


def _parse(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    return record if isinstance(record, dict) else {"message": line.rstrip("\n")}


def _matches(record: dict[str, Any], function: str | None, least: str) -> bool:
    level = str(record.get("level", "INFO")).upper()
    rank = _LEVELS.index(level) if level in _LEVELS else 1
    named = str(record.get("function", ""))
    wanted = function is None or named == function or named.endswith(f"-{function}")
    return wanted and rank >= _LEVELS.index(least)


def _show(output: Output, line: str) -> None:
    record = _parse(line)
    if output.json:
        output.event(record)
        return
    level = str(record.get("level", "INFO")).upper()
    when = str(record.get("time") or record.get("timestamp") or "")
    who = str(record.get("function") or "runtime")
    rest = {k: v for k, v in record.items() if k not in _SHOWN_APART and v not in (None, "")}
    more = " ".join(f"{name}={value}" for name, value in rest.items())
    style = _STYLES.get(level, "default")
    output.out.print(
        f"[dim]{escape(when)}[/] [{style}]{level:<8}[/] [cyan]{escape(who)}[/] "
        f"{escape(str(record.get('message', '')))} [dim]{escape(more)}[/]"
    )
