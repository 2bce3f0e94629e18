"""`hearth jobs`: the ledger of asynchronous work."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hearth_runtime.commands import options
from hearth_runtime.commands.output import MISUSED, CommandError, Output, output_of
from hearth_runtime.commands.stack_client import api_of

app = typer.Typer(help="Show the ledger of asynchronous work; retry what failed.")

State = Annotated[
    str | None, typer.Option("--state", help="Only queued, running, done or failed jobs.")
]
Kind = Annotated[str | None, typer.Option("--kind", help="Only this kind, detection.frame say.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]


@app.callback(invoke_without_command=True)
def jobs(
    ctx: typer.Context,
    state: State = None,
    kind: Kind = None,
    limit: Limit = 50,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """List jobs, newest first, and how many there are in each state."""
    if ctx.invoked_subcommand is None:
        _list(output_of(ctx), data, state, kind, limit)


@app.command("list")
def list_(
    ctx: typer.Context,
    state: State = None,
    kind: Kind = None,
    limit: Limit = 50,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """List jobs, newest first, and how many there are in each state."""
    _list(output_of(ctx), data, state, kind, limit)


@app.command()
def show(
    ctx: typer.Context,
    job_id: str,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Show everything about one job, as JSON."""
    output_of(ctx).answer(api_of(None, data).get(f"/jobs/{job_id}"))


@app.command()
def retry(
    ctx: typer.Context,
    job_id: Annotated[str | None, typer.Argument(help="A failed job.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every failed job.")] = False,
    kind: Kind = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Let a failed job run again, or all of them once their cause is fixed."""
    output = output_of(ctx)
    if (job_id is None) is not every:
        raise CommandError(
            "Name one failed job, or --all.",
            "`hearth jobs --state failed` lists them.",
            code=MISUSED,
        )
    api = api_of(None, data)
    if job_id is not None:
        chosen = [job_id]
    else:
        chosen = [job["id"] for job in api.pages("/jobs", "jobs", state="failed", kind=kind)]
    answers = []
    for one in chosen:
        answers.append(api.post(f"/jobs/{one}/retry"))
        if every:
            time.sleep(0.01)  # the gateway throttles a route at 100 requests a second
    if output.json:
        output.answer({"retried": answers})
    output.say(f"Job {job_id} runs again." if job_id else f"{len(answers)} jobs run again.")


def _list(output: Output, data: Path, state: str | None, kind: str | None, limit: int) -> None:
    api = api_of(None, data)
    summary = api.get("/jobs/summary")
    found = list(islice(api.pages("/jobs", "jobs", state=state, kind=kind), limit))
    if output.json:
        output.answer({"summary": summary, "jobs": found})
        return
    if found:
        output.out.print(job_table(found))
    else:
        output.out.print("No such jobs.")
    for name, states in sorted(summary["jobs"].items()):
        counts = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
        output.out.print(f"[bold]{name}[/] {counts}")


def job_table(jobs: list[dict[str, Any]]) -> Table:
    """Jobs as a table for a person."""
    table = Table()
    for column in ("job", "kind", "state", "tries", "what", "reason"):
        table.add_column(column, overflow="fold")
    for job in jobs:
        table.add_row(
            str(job.get("id") or job.get("job_id")),
            job["kind"],
            job["state"],
            str(job.get("attempts", "")),
            escape(str(job.get("dedupe_key", ""))),
            escape(reason(job)),
        )
    return table


def reason(job: dict[str, Any]) -> str:
    """Why a job failed, in its own words; empty when it did not."""
    error = job.get("error") or {}
    return str(error.get("message") or error.get("code") or "") if error else ""
