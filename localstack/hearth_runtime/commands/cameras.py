"""`hearth cameras`: the cameras that a stack watches by itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hearth_runtime.cameras.model import MAX_RATE, MIN_RATE, InvalidCamera
from hearth_runtime.cameras.rows import FUNCTION
from hearth_runtime.commands import options
from hearth_runtime.commands.output import FAILED, MISUSED, CommandError, output_of
from hearth_runtime.commands.stack_client import Api, api_of, request
from hearth_runtime.commands.watch import Regions, parse_regions
from hearth_runtime.stack_state import read_state
from hearth_runtime.watch.addresses import public_source
from hearth_runtime.watch.errors import WatchError
from hearth_runtime.watch.keys import camera_slug, check_camera

app = typer.Typer(
    help="Show, add, test and remove the cameras that the stack watches.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Camera id.")]


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    source: Annotated[
        str,
        typer.Argument(
            help="rtsp://…, http://…, number of a camera, video, folder of images; "
            "- reads it from standard input, so that a password stays out of the command line."
        ),
    ],
    rate: Annotated[
        float | None, typer.Option(help="Frames kept a second; 5 unless given.")
    ] = None,
    region: Regions = None,
    policy: Annotated[
        str | None, typer.Option(help="Camera entry of the safety policy that applies to it.")
    ] = None,
    disabled: Annotated[
        bool, typer.Option("--disabled", help="Keep it, but do not watch it.")
    ] = False,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Add a camera; the stack watches it from now on."""
    output = output_of(ctx)
    if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
        raise CommandError(
            f"--rate must be {MIN_RATE:g} to {MAX_RATE:g} frames a second.", code=MISUSED
        )
    body: dict[str, Any] = {"name": check_camera(name), "source": _given(source)}
    if rate is not None:
        body["rate"] = rate
    if region:
        body["region"] = parse_regions(region, motion=True)
    if policy is not None:
        body["policy"] = policy
    if disabled:
        body["enabled"] = False
    camera = api_of(url, data).post("/cameras", body)
    if output.json:
        output.answer(camera)
    state = "kept, but not watched" if disabled else "watched from now on"
    output.say(f"Camera {name} is {state}; `hearth cameras list` shows how it does.")


@app.command("list")
def list_(
    ctx: typer.Context,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """List the cameras and how they do."""
    output = output_of(ctx)
    cameras = _configured(api_of(url, data))
    watched = {} if url else _watched(data)
    for camera in cameras:
        camera["watcher"] = watched.get(camera["camera_id"])
    if output.json:
        output.answer({"cameras": cameras})
        return
    if not cameras:
        output.say("There are no cameras; `hearth cameras add NAME SOURCE` adds one.")
        return
    table = Table()
    for column in ("name", "state", "reason", "last image", "source", "frames", "incidents"):
        table.add_column(column, overflow="fold")
    for camera in cameras:
        watcher = camera["watcher"] or {}
        age = watcher.get("last_image_age_s")
        state = watcher.get("state") or ("enabled" if camera["enabled"] else "disabled")
        table.add_row(
            escape(camera["camera_id"]),
            state,
            escape(watcher.get("reason") or ""),
            "" if age is None else f"{age:.0f} s ago",
            escape(camera["source"] or ""),
            str(camera["frames"]),
            str(camera["open_incidents"]),
        )
    output.out.print(table)


@app.command("test")
def try_(
    ctx: typer.Context,
    camera: Annotated[str, typer.Argument(metavar="SOURCE|ID", help="A source, or a camera id.")],
    timeout: Annotated[
        float, typer.Option(min=0.1, max=300, help="Seconds to wait for an image.")
    ] = 10.0,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Open a camera and take one image."""
    # OpenCV takes half a second to load: only this command pays for it.
    from hearth_runtime.watch.probe import probe_source

    output = output_of(ctx)
    source = _source_of(data, camera) or _given(camera)
    try:
        probe = probe_source(source, stall_s=timeout)
    except WatchError as error:
        if not output.json:
            raise
        output.answer({"ok": False, "reason": error.message, "remedy": error.remedy})
        raise typer.Exit(FAILED) from None
    if output.json:
        output.answer({"ok": True, **probe.as_dict()})
        return
    facts = [f"{probe.width}x{probe.height}"]
    facts += [probe.codec] if probe.codec else []
    facts += [f"{probe.fps:g} frames/s"] if probe.fps else []
    output.out.print(
        f"[green]ok[/] {escape(probe.source)}: {escape(', '.join(facts))}, "
        f"first image after {probe.seconds:.1f} s"
    )


@app.command()
def snapshot(
    ctx: typer.Context,
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; NAME.jpg unless given.")
    ] = None,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Fetch a camera's latest judged image, the policy's zones drawn on it."""
    output = output_of(ctx)
    check_camera(name)
    answer = api_of(url, data).get_bytes(f"/cameras/{name}/snapshot")
    if answer.status == 404:
        raise CommandError(
            f"There is no image: {answer.json()['error']['message']}.", "See `hearth cameras list`."
        )
    target = out or Path(f"{name}.jpg")
    try:
        target.write_bytes(answer.body)
    except OSError as error:
        raise CommandError(
            f"{target} cannot be written: {error.strerror}.", "Name another file with --out."
        ) from None
    if output.json:
        output.answer({"camera": name, "file": str(target.resolve())})
    else:
        output.out.print(escape(str(target)))


@app.command()
def remove(
    ctx: typer.Context,
    name: Name,
    url: options.Url = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Remove a camera; what it has shown stays."""
    output = output_of(ctx)
    api = api_of(url, data)
    found = next((one for one in _configured(api) if name in (one["camera_id"], one["id"])), None)
    if found is None:
        raise CommandError(
            f"Camera {public_source(name)} does not exist.", "See `hearth cameras list`."
        )
    api.delete(f"/cameras/{found['id']}")
    if output.json:
        output.answer({"removed": found["camera_id"], "id": found["id"]})
    output.say(f"Camera {found['camera_id']} is removed.")


@app.command(hidden=True)
def supervise(
    ctx: typer.Context,
    runtime_url: Annotated[str, typer.Option(envvar="HEARTH_RUNTIME_URL")],
    bucket: Annotated[str, typer.Option()],
    endpoint_url: Annotated[str, typer.Option()],
    data: options.Data = options.DEFAULT_DATA,
) -> None:
    """Watch the cameras of a stack that runs in another container, and those of CAMERAS."""
    from hearth_runtime.cameras.remote import cameras_of_environment, supervise
    from hearth_runtime.cameras.supervisor import CameraSupervisor, Destination
    from hearth_runtime.observe.logs import LogStream

    try:
        fixed = list(cameras_of_environment(os.environ.pop("CAMERAS", "")))
    except InvalidCamera as error:
        raise CommandError(f"{error}.", "Correct CAMERAS in .env.", code=MISUSED) from None

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        logs = LogStream(console=sys.stderr, console_format="json")
        supervisor = CameraSupervisor(Destination(bucket, endpoint_url, data), logs)
        await supervise(runtime_url, supervisor, logs, fixed=fixed, stop=stop)

    asyncio.run(run())


def _given(source: str) -> str:
    """The source as the watcher finds it from its own folder.

    Raises:
        CommandError: Standard input holds none.
    """
    if source == "-":
        source = sys.stdin.readline().strip()
        if not source:
            raise CommandError("Standard input holds no source.", code=MISUSED)
    if source.isdecimal() or "://" in source:
        return source
    path = Path(source)
    return str(path.resolve()) if path.exists() else source


def _configured(api: Api) -> list[dict[str, Any]]:
    return [camera for camera in api.get("/cameras")["cameras"] if camera.get("configured")]


def _watched(data: Path) -> dict[str, dict[str, Any]]:
    """The watchers of the stack of this machine, by camera."""
    state = read_state(data)
    if state is None:
        return {}
    status = request(f"{state.control_url}/status").json()
    return {camera["name"]: camera for camera in status.get("cameras", [])}


def _source_of(data: Path, camera: str) -> str | None:
    """The whole source of a camera of this machine's stack. The HTTP API never answers it; whoever
    may invoke functions here owns the files too."""
    state = read_state(data)
    if state is None or camera_slug(camera) != camera:
        return None
    answer = request(
        f"{state.control_url}/2015-03-31/functions/{FUNCTION}/invocations",
        method="POST",
        body=b"{}",
    )
    if answer.status >= 400 or "x-amz-function-error" in answer.headers:
        return None
    rows = json.loads(answer.body).get("cameras", [])
    return next((row["source"] for row in rows if row["name"] == camera), None)
