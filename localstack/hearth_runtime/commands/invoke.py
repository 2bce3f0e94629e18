"""`hearth invoke`: call one function as AWS Lambda would be called."""

from __future__ import annotations

import base64
import json
import sys
import urllib.parse
from pathlib import Path
from typing import Annotated

import typer

from hearth_runtime.commands import options
from hearth_runtime.commands.output import FAILED, MISUSED, CommandError, output_of
from hearth_runtime.commands.stack_client import request, running_stack


def invoke(
    ctx: typer.Context,
    function: Annotated[str, typer.Argument(help="Its name, with or without the stack's.")],
    event: Annotated[
        str | None, typer.Option("--event", metavar="FILE|-", help="JSON event; - reads stdin.")
    ] = None,
    payload: Annotated[str | None, typer.Option("--payload", help="The JSON event itself.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Show the end of its log, too.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Queue the event; do not wait for an answer.")
    ] = False,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Call a function and print what it answers."""
    output = output_of(ctx)
    body = _event(event, payload)
    state = running_stack(data)
    name = urllib.parse.quote(function, safe="")
    answer = request(
        f"{state.control_url}/2015-03-31/functions/{name}/invocations",
        method="POST",
        body=body,
        headers={
            "Content-Type": "application/json",
            "X-Amz-Invocation-Type": "Event" if no_wait else "RequestResponse",
            "X-Amz-Log-Type": "Tail" if log else "None",
        },
        timeout_s=920.0,  # the longest a Lambda may run, and some
    )
    error = answer.headers.get("x-amz-function-error")
    tail = base64.b64decode(answer.headers.get("x-amz-log-result", "")).decode(errors="replace")
    if answer.status >= 400:
        said = answer.json()
        raise CommandError(
            f"{function} was not called: {said.get('Message') or said.get('message') or said}",
        )
    if output.json:
        output.answer(
            {
                "status": answer.status,
                "function_error": error,
                "payload": _value(answer.body),
                "log": tail.splitlines() if log else None,
            }
        )
    else:
        if tail:
            output.err.print(tail.rstrip(), markup=False, style="dim")
        if answer.body:
            output.line(answer.body.decode(errors="replace"))
    if error:
        output.say(f"[red]{function} failed ({error})[/]")
        raise typer.Exit(FAILED)


def _event(event: str | None, payload: str | None) -> bytes:
    if event is not None and payload is not None:
        raise CommandError("--event and --payload exclude each other.", code=MISUSED)
    try:
        if event == "-":
            text = sys.stdin.buffer.read()
        elif event is not None:
            text = Path(event).read_bytes()
        else:
            text = (payload or "{}").encode()
    except OSError as error:
        raise CommandError(
            f"{event} cannot be read: {error.strerror}.", "Check --event.", code=MISUSED
        ) from None
    try:
        json.loads(text)
    except ValueError as error:
        raise CommandError(
            f"The event is not JSON: {error}.", "Give a JSON document.", code=MISUSED
        ) from None
    return text


def _value(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
