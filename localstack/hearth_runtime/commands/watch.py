"""`hearth watch`: bring a camera's frames into the bucket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from hearth_runtime.commands import options
from hearth_runtime.commands.output import FAILED, MISUSED, CommandError, Output, output_of
from hearth_runtime.commands.progress import progress_for
from hearth_runtime.stack_state import read_state
from hearth_runtime.watch.stop_signals import asked_to_stop

if TYPE_CHECKING:
    from hearth_runtime.watch.frames import Region
    from hearth_runtime.watch.watcher import WatchConfig, WatchSummary

DEFAULT_FPS = 5.0  # the rate at which Frigate detects
MIN_REGION = 0.05  # of an image's width and height, as in a policy: less shows nobody
MAX_REGIONS = 50
_TIME_SOURCES = {
    "clock": "times of this machine's clock",
    "start_time": "times from --start-time on",
    "creation_time": "times from the recording's creation_time on",
    "file": "times from the file's last change on",
}
_FIRST_YEAR, _LAST_YEAR = 1000, 9998

Fps = Annotated[
    str | None,
    typer.Option(
        "--fps", help="Frames kept a second, or all; 5 unless given, images in files all."
    ),
]
Loop = Annotated[int, typer.Option("--loop", min=1, help="Play a source that ends N times.")]
Motion = Annotated[
    bool, typer.Option("--motion/--no-motion", help="Drop frames on which nothing moved.")
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="L,T,R,B",
        help="Look for motion in this part only, fractions of the image; may be repeated.",
    ),
]
Quality = Annotated[int, typer.Option("--quality", min=1, max=100, help="JPEG quality.")]
MaxSide = Annotated[
    int, typer.Option("--max-side", min=16, max=16384, help="Longer side in pixels; never grown.")
]
MaxPixels = Annotated[
    int, typer.Option("--max-pixels", min=1, help="Larger images are not decoded here.")
]
StartTime = Annotated[
    str | None,
    typer.Option("--start-time", metavar="now|TIME", help="When the file was changed, by default."),
]


def watch(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="Video, GIF, image, folder of images, rtsp://…, http://…, camera's number."
        ),
    ],
    camera: Annotated[
        str | None, typer.Option("--camera", help="Camera id; from the source's name by default.")
    ] = None,
    fps: Fps = None,
    loop: Loop = 1,
    motion: Motion = True,
    region: Regions = None,
    keep_alive: Annotated[
        float, typer.Option(min=0, help="A frame passes at least every so many seconds.")
    ] = 2.0,
    quality: Quality = 85,
    max_side: MaxSide = 1280,
    max_pixels: MaxPixels = 50_000_000,
    start_time: StartTime = None,
    reconnect: Annotated[
        bool, typer.Option("--reconnect/--no-reconnect", help="When a live source goes away.")
    ] = True,
    stall: Annotated[
        float, typer.Option(min=0.1, help="Seconds of silence after which it has.")
    ] = 10.0,
    spool_limit: Annotated[
        int, typer.Option(min=1, help="MiB of frames that may wait on disk.")
    ] = 2048,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait at the end for a bucket that is away.")
    ] = 30.0,
    bucket: Annotated[
        str | None, typer.Option(help="S3 bucket; that of the running stack by default.")
    ] = None,
    endpoint_url: Annotated[str | None, typer.Option(help="S3 server of the bucket.")] = None,
    data: options.Data = options.DEFAULT_DATA,
    json_: options.JsonFlag = False,
) -> None:
    """Bring a camera's frames into the bucket, until it ends or Ctrl-C."""
    from hearth_runtime.watch.frames import ImageLimits
    from hearth_runtime.watch.watcher import WatchConfig

    output = output_of(ctx)
    if bucket is None:
        state = read_state(data)
        if state is None:
            raise CommandError(
                f"No stack is running on {data}, so there is no bucket to bring frames to.",
                "Start one with `hearth up`, or name --bucket (and --endpoint-url).",
                code=MISUSED,
            )
        bucket, endpoint_url = state.bucket, endpoint_url or state.endpoint_url
    config = WatchConfig(
        source=source,
        bucket=bucket,
        spool=data / "spool",
        camera=camera,
        endpoint_url=endpoint_url,
        fps=frames_per_second(fps),
        paced=fps is not None and fps != "all",
        loop=loop,
        motion=motion,
        regions=parse_regions(region or [], motion),
        keep_alive_s=keep_alive,
        limits=ImageLimits(max_side=max_side, max_pixels=max_pixels, quality=quality),
        start_time=moment(start_time),
        reconnect=reconnect,
        stall_s=stall,
        spool_bytes=spool_limit * 1024 * 1024,
        patience_s=patience,
    )
    summary = watch_until_stopped(config, output)
    if not output.json and output.err.is_terminal:
        output.out.print(in_words(summary))
    if not summary.complete or summary.frames_dropped or summary.frames_rejected:
        raise typer.Exit(FAILED)


def watch_until_stopped(
    config: WatchConfig, output: Output, *, quiet: bool = False
) -> WatchSummary:
    """Watch with progress; Ctrl-C and SIGTERM end it orderly, a second Ctrl-C at once."""
    from hearth_runtime.watch.watcher import watch as watch_source

    with asked_to_stop() as stop, progress_for(output) as progress:
        return watch_source(config, None if quiet else progress, stop)


def frames_per_second(text: str | None) -> float | None:
    """What --fps means: a rate, or None for every frame.

    Raises:
        CommandError: It is neither.
    """
    if text is None:
        return DEFAULT_FPS
    if text == "all":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.001 <= rate <= 1000:
        raise CommandError(
            f"--fps {text} is not a rate.",
            "Give frames a second (0.001 to 1000), or all.",
            code=MISUSED,
        )
    return rate


def parse_regions(texts: Sequence[str], motion: bool) -> tuple[Region, ...]:
    """What --region means, given any number of times: left, top, right and bottom, 0..1.

    Raises:
        CommandError: A region is not part of an image, or motion is not looked for.
    """
    if texts and not motion:
        raise CommandError(
            "--region says where motion counts, and --no-motion that it does not.",
            "Leave one of them out.",
            code=MISUSED,
        )
    if len(texts) > MAX_REGIONS:
        raise CommandError(
            f"--region is given {len(texts)} times; {MAX_REGIONS} are the most.", code=MISUSED
        )
    return tuple(map(_parse_region, texts))


def _parse_region(text: str) -> Region:
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError:
        left = top = right = bottom = 0.0
    # What is not a number fails every comparison.
    inside = 0 <= left <= 1 and 0 <= top <= 1 and right <= 1 and bottom <= 1
    if not (inside and right - left >= MIN_REGION and bottom - top >= MIN_REGION):
        raise CommandError(
            f"--region {text[:100]} is not left,top,right,bottom with {MIN_REGION:g} of the "
            "image between them at least.",
            "Give fractions of width and height, as 0,0.3,1,1 for all but the upper third.",
            code=MISUSED,
        )
    return left, top, right, bottom


def moment(text: str | None) -> datetime | None:
    """What --start-time means: an instant in UTC, or None for the file's own.

    Raises:
        CommandError: It is no time.
    """
    if text is None:
        return None
    if text == "now":
        return datetime.now(UTC)
    try:
        # A time without a zone is this machine's local time, as a person at its keyboard means it.
        given = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        given = datetime.min.replace(tzinfo=UTC)
    # Further away there are no times before or after it, which incidents ask for.
    if not _FIRST_YEAR <= given.year <= _LAST_YEAR:
        raise CommandError(
            f"--start-time {text} is not a time.",
            f"Give now, or one such as 2026-11-21T08:00:00Z; years {_FIRST_YEAR} to {_LAST_YEAR}.",
            code=MISUSED,
        )
    return given


def in_words(summary: WatchSummary) -> str:
    """The summary as a sentence or two; Rich markup."""
    rate = summary.frames_read / max(summary.seconds, 0.001)
    text = (
        f"[bold]{summary.camera}[/]: {summary.frames_read} frames read, "
        f"{summary.frames_skipped} left out by the rate, {summary.frames_gated} dropped as still, "
        f"{summary.frames_sent} uploaded in "
        f"{summary.seconds:.1f} s ({rate:.0f} frames/s)"
    )
    for number, what in (
        (summary.frames_recovered, "kept by an earlier run and uploaded now"),
        (summary.frames_spooled, "went by way of the disk"),
        (summary.frames_waiting, "still wait on disk"),
        (summary.frames_unreadable, "unreadable, stored as they are"),
        (summary.frames_rejected, "too big, left out"),
        (summary.frames_damaged, "damaged, left out"),
        (summary.frames_dropped, "[red]lost[/]"),
    ):
        if number:
            text += f"; {number} {what}"
    if summary.first_key:
        text += f"\n  {escape(summary.first_key)} … {escape(summary.end_key or '')}"
        text += f" ({_TIME_SOURCES[summary.time_source]})"
    return text
