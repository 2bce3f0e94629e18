"""`hearth run`: the main job from end to end: sources in, incident reports out."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hearth_runtime.commands import options, run_plan, run_result
from hearth_runtime.commands.output import FAILED, MISUSED, CommandError, Output, output_of
from hearth_runtime.commands.run_plan import Watched
from hearth_runtime.commands.run_wait import Settled, judged_frames, wait_until_settled
from hearth_runtime.commands.stack import await_ready, start_stack, stop_stack
from hearth_runtime.commands.stack_client import api_of
from hearth_runtime.commands.stack_options import StackOptions, takes_stack_options
from hearth_runtime.commands.watch import (
    Fps,
    Loop,
    Motion,
    StartTime,
    frames_per_second,
    in_words,
    moment,
    watch_until_stopped,
)
from hearth_runtime.stack_state import StackState, read_state
from hearth_runtime.watch.addresses import public_source
from hearth_runtime.watch.keys import default_camera
from hearth_runtime.watch.stop_signals import asked_to_stop

if TYPE_CHECKING:
    from hearth_runtime.watch.watcher import WatchSummary

Sources = Annotated[
    list[str] | None,
    typer.Argument(help="Videos, GIFs, images, folders, streams; photographs when none."),
]


@dataclass(frozen=True, slots=True)
class _Watching:
    """How every source of a run is watched."""

    fps: float | None
    paced: bool
    loop: int
    motion: bool
    start_time: datetime | None


@takes_stack_options
def run(
    ctx: typer.Context,
    sources: Sources = None,
    *,
    stack_options: StackOptions,
    camera: Annotated[
        str | None, typer.Option("--camera", help="Camera id; from the source's name by default.")
    ] = None,
    fps: Fps = None,
    loop: Loop = 1,
    motion: Motion = True,
    start_time: StartTime = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the stack up afterwards, until Ctrl-C.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="A source that fails does not end the run.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the last report.")] = 900.0,
    restricted: Annotated[
        bool, typer.Option("--restricted", help="Nobody may be where these cameras look.")
    ] = False,
    json_: options.JsonFlag = False,
) -> None:
    """Start the stack, watch the sources, wait for the last report, show what came of it."""
    output = output_of(ctx)
    data, policy = stack_options.data, stack_options.policy
    if policy is not None and restricted:
        raise CommandError("--policy and --restricted exclude each other.", code=MISUSED)
    watching = _Watching(
        frames_per_second(fps), fps not in (None, "all"), loop, motion, moment(start_time)
    )
    with tempfile.TemporaryDirectory(prefix="hearth-") as folder:
        if sources:
            watched = run_plan.plan(sources, camera)
            for item in run_plan.renamed(watched, camera):
                output.say(
                    f"Another source is camera {escape(default_camera(item.source))}; "
                    f"{escape(public_source(item.source))} is camera {item.camera}."
                )
            if not keep_going:
                run_plan.check_files(watched)
        else:
            photographs = run_plan.copy_photographs(Path(folder))
            watched = [Watched(str(photographs), camera or run_plan.PHOTOGRAPHS)]
            restricted = restricted or policy is None
            watching = _Watching(
                run_plan.PHOTOGRAPH_FPS, True, run_plan.PHOTOGRAPH_LOOPS, False, None
            )
            output.say(
                f"No source was named: {len(list(photographs.iterdir()))} photographs that "
                "ship with scikit-image stand in for a camera; nobody may be on them."
            )
        if restricted:
            policy = run_plan.write_restricted_policy(data, [w.camera for w in watched])
        parameters = stack_options.parameters(policy=policy)
        if not parameters.get("ModelPath"):
            output.say(f"[yellow]{run_plan.BUILT_IN}[/]")
        if not parameters.get("Policy") and parameters.get("SiteProfile", "home") == "home":
            output.say(f"[yellow]{run_plan.NO_POLICY}[/]")
        arguments = ["up", "--json", "--no-cameras", *stack_options.arguments()]
        ok = _Run(output, data, watched, watching, timeout, keep_going).run(
            arguments, parameters, serve
        )
    if not ok:
        raise typer.Exit(FAILED)


def demo(
    ctx: typer.Context,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the stack up afterwards, until Ctrl-C.")
    ] = False,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Run without a camera: photographs in, an incident report out."""
    run(ctx, serve=serve, data=data, json_=json_)


class _Run:
    def __init__(
        self,
        output: Output,
        data: Path,
        watched: Sequence[Watched],
        watching: _Watching,
        timeout_s: float,
        keep_going: bool,
    ) -> None:
        self._output = output
        self._data = data
        self._watched = watched
        self._watching = watching
        self._timeout_s = timeout_s
        self._keep_going = keep_going
        self._failures: list[str] = []

    def run(self, arguments: list[str], parameters: Mapping[str, str], serve: bool) -> bool:
        if (state := read_state(self._data)) is not None:
            raise CommandError(
                f"A stack is already running on {self._data} (process {state.pid}).",
                "Feed it with `hearth watch`, stop it with `hearth down`, or give another --data.",
                code=MISUSED,
            )
        begun = time.monotonic()
        started_at = datetime.now(UTC)
        with _stack(arguments, self._data, parameters) as child:
            state = await_ready(child, self._data)
            setup = time.monotonic() - begun
            self._output.say(f"The stack is ready after {setup:.1f} s: {state.gateway_url}")
            api = api_of(None, self._data)
            cameras = [item.camera for item in self._watched]
            known = judged_frames(api, cameras)
            watch_begun = time.monotonic()
            summaries = self._watch_all(state)
            watch_s = time.monotonic() - watch_begun
            settled = self._settle(child, state, summaries)
            frames_s = None if settled.frames_seconds is None else watch_s + settled.frames_seconds
            judged = judged_frames(api, cameras) - known
            facts = run_result.collect(
                api,
                summaries,
                settled,
                run_result.Timings(setup, watch_s, frames_s, settled.seconds, judged),
                started_at,
                (self._data / "out").resolve(),
            )
            facts["failed_sources"] = self._failures
            ok = facts["complete"] and not facts["failed_jobs"] and not self._failures
            facts["ok"] = ok
            if self._output.json:
                self._output.answer(facts)
            else:
                run_result.show(self._output, facts, options.site_zone(parameters))
                self._say_what_is_missing(facts["open_jobs"], settled)
            if serve:
                self._serve(child, state)
        return bool(ok)

    def _watch_all(self, state: StackState) -> list[WatchSummary]:
        from hearth_runtime.watch.watcher import WatchConfig

        summaries: list[WatchSummary] = []
        for item in self._watched:
            config = WatchConfig(
                source=item.source,
                bucket=state.bucket,
                spool=self._data / "spool",
                camera=item.camera,
                endpoint_url=state.endpoint_url,
                fps=self._watching.fps,
                paced=self._watching.paced,
                loop=self._watching.loop,
                motion=self._watching.motion,
                start_time=self._watching.start_time,
            )
            try:
                # The answer is one document, or tables: no JSON lines of the watch among them.
                quiet = self._output.json or not self._output.err.is_terminal
                summary = watch_until_stopped(config, self._output, quiet=quiet)
                self._output.say(in_words(summary))
                for warning in summary.warnings if quiet else ():
                    self._output.say(f"[yellow]warning[/]: {escape(warning)}")
            except Exception as error:
                message = getattr(error, "message", "")
                if not (self._keep_going and message):
                    raise
                self._failures.append(run_plan.describe_failure(item.source, message))
                self._output.say(f"[red]{escape(self._failures[-1])}[/]")
                continue
            summaries.append(summary)
        return summaries

    def _settle(
        self, child: subprocess.Popen[bytes], state: StackState, summaries: list[WatchSummary]
    ) -> Settled:
        stored = _stored(state, summaries)
        with asked_to_stop() as stop, self._output.err.status("waiting") as status:
            return wait_until_settled(
                api_of(None, self._data),
                summaries,
                stored,
                timeout_s=self._timeout_s,
                stop=stop,
                alive=lambda: _alive(child, self._data),
                tell=status.update,
            )

    def _say_what_is_missing(self, open_jobs: int, settled: Settled) -> None:
        if not settled.complete:
            self._output.say(
                f"[bold red]not finished[/] after {settled.seconds:.0f} s: {open_jobs} jobs are "
                "still open. Nothing is lost: they go on with the next `hearth up` on "
                f"{self._data}."
            )

    def _serve(self, child: subprocess.Popen[bytes], state: StackState) -> None:
        self._output.say(f"The stack stays up at {state.gateway_url}; Ctrl-C stops it.")
        with asked_to_stop() as stop:
            while not stop.wait(0.5):
                _alive(child, self._data)


def _stored(state: StackState, summaries: Sequence[WatchSummary]) -> dict[str, int]:
    from hearth_runtime.watch.bucket import Bucket

    bucket = Bucket(state.bucket, state.endpoint_url)
    try:
        return {
            summary.camera: bucket.count(f"frames/{summary.camera}/", ".jpg")
            for summary in summaries
        }
    finally:
        bucket.close()


def _alive(child: subprocess.Popen[bytes], data: Path) -> None:
    if child.poll() is not None:
        raise CommandError(
            f"The stack ended in the middle of the run (exit code {child.returncode}).",
            f"See {data / 'up.log'} and `hearth logs`.",
        )


@contextlib.contextmanager
def _stack(
    arguments: list[str], data: Path, parameters: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    child = start_stack(arguments, data, parameters=parameters)
    try:
        yield child
    finally:
        stop_stack(child)
