"""`hearth up`, `down` and `status`: one stack on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from hearth_runtime.commands import options
from hearth_runtime.commands.output import MISUSED, CommandError, Output, output_of
from hearth_runtime.commands.stack_client import request, running_stack
from hearth_runtime.commands.stack_options import StackOptions, takes_stack_options
from hearth_runtime.config import RuntimeConfig
from hearth_runtime.http.proxies import parse_networks
from hearth_runtime.http.tls import Certificate
from hearth_runtime.launchers.compose_containers import DEFAULT_ADDRESS
from hearth_runtime.server import serve
from hearth_runtime.stack_state import SetupError, StackState, read_state

_PR_SET_PDEATHSIG = 1
# What of /status fits a terminal; --json shows all of it.
_SHOWN = {
    "functions": ("short_name", "state", "pids", "queued", "invocations", "errors", "rss_mb"),
    "cameras": ("name", "state", "reason", "retry_in_s", "last_image_age_s", "restarts", "source"),
    "mappings": ("function", "queue", "received", "deleted", "kept", "errors", "last_error"),
    "schedules": ("name", "expression", "runs", "errors", "next_run"),
}


@takes_stack_options
def up(
    ctx: typer.Context,
    *,
    stack_options: StackOptions,
    stack: options.Stack = "hearth",
    host: Annotated[str, typer.Option(help="Address the HTTP API listens on.")] = "127.0.0.1",
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", help="Certificate chain (PEM): the HTTP API speaks HTTPS."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="The certificate's private key (PEM).")
    ] = None,
    trusted_proxies: Annotated[
        list[str] | None,
        typer.Option(
            "--trusted-proxies",
            metavar="ADDRESSES",
            help="Reverse proxies whose X-Forwarded-For or Forwarded counts: addresses or "
            "networks, with commas.",
        ),
    ] = None,
    control_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the control API; 0: a free one.")
    ] = 0,
    idle: Annotated[
        float, typer.Option(help="Seconds after which an idle function's process ends.")
    ] = 300.0,
    reload: Annotated[
        bool, typer.Option("--reload", help="Functions whose source has changed start anew.")
    ] = False,
    attached: Annotated[
        bool,
        typer.Option("--attached", help="Functions run in containers that Compose starts."),
    ] = False,
    runtime_api: Annotated[
        str | None,
        typer.Option(metavar="NAME:PORT", help="Where those find us; runtime:9001 by default."),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(metavar="MB", min=1, help="What all functions together may take."),
    ] = None,
    cameras: Annotated[
        bool, typer.Option("--cameras/--no-cameras", help="Watch the cameras of the stack.")
    ] = True,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the stack is ready; it runs on.")
    ] = False,
    json_: options.JsonFlag = False,
    parent: Annotated[int, typer.Option(hidden=True)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", hidden=True)] = False,
) -> None:
    """Start the stack: S3 and SQS, the functions, the HTTP API, the schedules."""
    output = output_of(ctx)
    if parent:
        _end_with(parent)
    if detach:
        # The very same command line, so that no option can be forgotten on the way.
        arguments = [a for a in sys.argv[1:] if a != "--detach"]
        child = start_stack(arguments, stack_options.data, detached=True)
        _tell(output, await_ready(child, stack_options.data))
        return
    if attached and stack_options.containers:
        raise CommandError(
            "--attached and --containers exclude each other.",
            "Containers are started either by Compose or by this program.",
            code=MISUSED,
        )
    if stack_options.functions is not None and (attached or stack_options.containers):
        raise CommandError(
            "--functions takes processes: functions of your own have no images here.",
            "Leave --containers out, or deploy them with scripts/deploy --functions.",
            code=MISUSED,
        )
    if (tls_cert is None) != (tls_key is None):
        raise CommandError("--tls-cert and --tls-key go together.", "Give both.", code=MISUSED)
    try:
        tls = Certificate(tls_cert, tls_key) if tls_cert and tls_key else None
        proxies = parse_networks(trusted_proxies or [])
    except SetupError as error:
        raise CommandError(str(error), code=MISUSED) from None
    parameters = stack_options.parameters(in_containers_of_compose=attached)
    config = RuntimeConfig(
        template=stack_options.template_path(),
        data=stack_options.data.resolve(),
        stack=stack,
        host=host,
        port=stack_options.port,
        control_port=control_port,
        tls=tls,
        trusted_proxies=proxies,
        endpoint_url=stack_options.endpoint_url,
        parameters=parameters,
        replicas=replica_counts(stack_options.replicas or []),
        attached=(runtime_api or DEFAULT_ADDRESS) if attached else None,
        memory_mb=memory,
        idle_s=idle,
        containers=stack_options.containers,
        image_tag=stack_options.image_tag,
        reload=reload,
        plugins=stack_options.functions,
        cameras=cameras,
        log_format="none" if quiet else "json" if output.json else "text",
    )
    asyncio.run(_serve(config, output))


def down(
    ctx: typer.Context,
    data: options.Data = options.DEFAULT_DATA,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for running work.")] = 60.0,
    force: Annotated[
        bool, typer.Option("--force", help="Kill it when it does not stop in time.")
    ] = False,
    json_: options.JsonFlag = False,
) -> None:
    """Stop the stack; running work is finished first."""
    output = output_of(ctx)
    state = read_state(data)
    if state is None:
        if output.json:
            output.answer({"stopped": False, "reason": "not running"})
        output.say(f"No stack is running on {data}.")
        return
    os.kill(state.pid, signal.SIGTERM)
    if not _gone(state.pid, timeout):
        if not force:
            raise CommandError(
                f"The stack (process {state.pid}) has not stopped within {timeout:g} s.",
                "Wait longer (--timeout), or kill it with --force: nothing is lost by that.",
            )
        os.kill(state.pid, signal.SIGKILL)
        _gone(state.pid, 10)
    if output.json:
        output.answer({"stopped": True, "pid": state.pid})
    output.say(f"Stopped the stack on {data}.")


def status(
    ctx: typer.Context,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Show where the stack answers and what its functions do."""
    output = output_of(ctx)
    state = running_stack(data)
    facts = request(f"{state.control_url}/status").json()
    if output.json:
        output.answer({**asdict(state), "status": facts})
        return
    _tell(output, state)
    if facts.get("cameras_error"):
        output.say(f"[yellow]cameras cannot be read: {escape(facts['cameras_error'])}[/]")
    for name, columns in _SHOWN.items():
        rows = facts.get(name)
        if isinstance(rows, list) and rows:
            output.out.print(_table(name, columns, rows))


def start_stack(
    arguments: list[str],
    data: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    detached: bool = False,
) -> subprocess.Popen[bytes]:
    """Run `hearth` with these arguments in a process of its own.

    Parameters of the template go by the environment: some are passwords, and everybody on the
    machine may read a command line.

    What it prints goes to `up.log` in the data folder: its first and last words. What it logs does
    not, because that file is never rotated as the log is. Unless detached it is stopped by the
    kernel when this process ends, in whatever way.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = [*arguments, "--quiet"]
    if not detached:
        arguments = [*arguments, "--parent", str(os.getpid())]
    with (data / "up.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own program, a list, no shell
            [sys.executable, "-m", "hearth_runtime.cli", *arguments],
            env={**os.environ, options.PARAMETERS: json.dumps(dict(parameters or {}))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def await_ready(child: subprocess.Popen[bytes], data: Path, timeout_s: float = 120.0) -> StackState:
    """Wait until the stack that `child` runs is ready.

    Raises:
        CommandError: It ended (the message holds its last words), or took too long.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        state = read_state(data)
        if state is not None and state.pid == child.pid:
            return state
        if child.poll() is not None:
            said = (data / "up.log").read_text(errors="replace").strip().splitlines()
            raise CommandError(
                f"The stack did not start: {_last_words(said)}",
                f"Its output is in {data / 'up.log'}.",
                code=MISUSED if child.returncode == MISUSED else 1,
            )
        time.sleep(0.02)
    stop_stack(child)
    raise CommandError(
        f"The stack was not ready within {timeout_s:g} s.", f"See {data / 'up.log'}."
    )


def stop_stack(child: subprocess.Popen[bytes], patience_s: float = 30.0) -> None:
    """Stop a stack that `start_stack` started, for certain."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience_s)
    if child.poll() is None:
        child.kill()
    child.wait()


async def _serve(config: RuntimeConfig, output: Output) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def ready(state: StackState) -> None:
        _tell(output, state)
        output.say("Ctrl-C stops it.")

    try:
        await serve(config, ready=ready, stop=stop)
    except SetupError as error:
        raise CommandError(str(error), code=MISUSED) from None


def _tell(output: Output, state: StackState) -> None:
    if output.json:
        output.event({"event": "ready", **asdict(state)})
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("HTTP API", state.gateway_url)
    table.add_row("control", state.control_url)
    table.add_row("S3, SQS", f"{state.endpoint_url} bucket {state.bucket}")
    table.add_row("log", state.log_path)
    output.out.print(f"[bold]{state.stack}[/] is ready (process {state.pid})")
    output.out.print(table)


def _table(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else escape(str(value))


def replica_counts(pairs: list[str]) -> dict[str, int]:
    """What --replicas says. Raises CommandError."""
    wanted: dict[str, int] = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if not (name and number.isdecimal() and int(number) > 0):
            raise CommandError(
                f"--replicas {pair} is not FUNCTION=N.", "For example detection=2.", code=MISUSED
            )
        wanted[name] = int(number)
    return wanted


def _end_with(parent: int) -> None:
    """Be stopped by the kernel, orderly, when the process that started us ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it has ended already: no signal will come
        raise CommandError("The program that started this stack has ended.")


def _gone(pid: int, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if _is_zombie(pid):
            return True
        time.sleep(0.05)
    return False


def _is_zombie(pid: int) -> bool:
    # A stack that `hearth up --detach` left may be a child of a program that never waits for it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _last_words(lines: list[str]) -> str:
    return lines[-1] if lines else "it printed nothing."
