"""`hearth incidents`: what was seen, and what a person says of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hearth_runtime.commands import options
from hearth_runtime.commands.output import CommandError, output_of
from hearth_runtime.commands.stack_client import Api, api_of

app = typer.Typer(help="List incidents; verify, dismiss or escalate one.", no_args_is_help=True)

Incident = Annotated[str, typer.Argument(metavar="ID", help="Incident id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with your name and the time.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    camera: Annotated[str | None, typer.Option(help="Of this camera only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """List the latest incidents."""
    output = output_of(ctx)
    api = api_of(url, data)
    incidents = api.get("/incidents", camera_id=camera, limit=limit)["incidents"]
    if output.json:
        output.answer({"incidents": incidents})
        return
    if not incidents:
        output.say("There are no incidents.")
        return
    table = Table()
    for column in ("id", "camera", "zone", "what", "first seen", "state", "review"):
        table.add_column(column, overflow="fold")
    for one in incidents:
        what = ", ".join(violation["class_name"] for violation in one["violations"])
        texts = (one["incident_id"], one["camera_id"], one["zone"] or "", what, one["first_seen"])
        table.add_row(*map(escape, texts), one["state"], one["review"] or "")
    output.out.print(table)


@app.command()
def verify(
    ctx: typer.Context,
    incident: Incident,
    reason: Reason,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Say that an incident is real."""
    _review(ctx, api_of(url, data), incident, "verified", reason)


@app.command()
def dismiss(
    ctx: typer.Context,
    incident: Incident,
    reason: Reason,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Say that an incident is a false alarm; its task is cancelled."""
    _review(ctx, api_of(url, data), incident, "dismissed", reason)


@app.command()
def escalate(
    ctx: typer.Context,
    incident: Incident,
    reason: Reason,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Say that somebody must look at an incident now; its task is urgent, and people are told."""
    _review(ctx, api_of(url, data), incident, "escalated", reason)


def _review(ctx: typer.Context, api: Api, incident: str, verdict: str, reason: str) -> None:
    output = output_of(ctx)
    if not incident.isalnum():
        raise CommandError(f"{incident[:80]!r} is not the id of an incident.")
    answer: dict[str, Any] = api.post(
        f"/incidents/{incident}/review", {"verdict": verdict, "reason": reason}
    )
    if output.json:
        output.answer(answer)
        return
    output.say(f"Incident {answer['incident_id']} is {verdict}; its report and task follow.")
