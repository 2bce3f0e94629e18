"""Waits until all that was brought in has been worked on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hearth_runtime.commands.stack_client import Api

if TYPE_CHECKING:
    from hearth_runtime.watch.watcher import WatchSummary

_POLL_S = 0.25
# Digests wait for their hour and reminders for their day, and a camera's silence is no work: nobody
# who runs a clip means to wait for that.
_NOT_AWAITED = frozenset(
    {"detection.presence", "notifications.digest", "reports.digest", "tasks.remind"}
)


@dataclass(frozen=True, slots=True)
class Settled:
    """How the waiting ended; seconds are counted from its beginning."""

    complete: bool
    frames_seconds: float | None
    seconds: float
    open: int


def wait_until_settled(
    api: Api,
    summaries: Sequence[WatchSummary],
    stored: Mapping[str, int],
    *,
    timeout_s: float,
    stop: threading.Event,
    alive: Callable[[], None],
    tell: Callable[[str], None],
) -> Settled:
    """Wait until every frame is done or failed and no job is open.

    Args:
        api: The product's HTTP API.
        summaries: What was watched.
        stored: Camera → how many of its images the bucket holds. A frame whose notification was
            lost has no job yet; the sweep finds it, and until then this number tells.
        timeout_s: Gives up after so long.
        stop: Gives up at once.
        alive: Raises when the stack has died.
        tell: Called with the progress as text.
    """
    started = time.monotonic()
    wanted = sum(stored.values())
    ends = [summary.end_key for summary in summaries if summary.end_key is not None]
    frames_at: float | None = None
    quiet = 0
    opened = 0
    while not stop.is_set() and time.monotonic() - started < timeout_s:
        alive()
        opened = _open(api.get("/jobs/summary")["jobs"])
        if frames_at is None:
            done = judged_frames(api, stored)
            tell(f"{min(done, wanted)} of {wanted} frames judged, {opened} jobs open")
            if done >= wanted:
                frames_at = time.monotonic() - started
        elif opened or not all(_done(api, f"end:{key}") for key in ends):
            tell(f"{wanted} frames judged, {opened} jobs open")
            quiet = 0
        else:
            # Twice in a row: a job and the one that follows from it are not one instant's work to
            # a reader that asks about frames, ends and open jobs one after another.
            quiet += 1
            if quiet == 2:
                return Settled(True, frames_at, time.monotonic() - started, 0)
        stop.wait(_POLL_S)
    return Settled(False, frames_at, time.monotonic() - started, opened)


def judged_frames(api: Api, cameras: Iterable[str]) -> int:
    """How many frames of these cameras are done or failed, whenever that was."""
    return sum(_done(api, f"frame:frames/{camera}/") for camera in cameras)


def _done(api: Api, prefix: str) -> int:
    states = api.get("/jobs/summary", dedupe_prefix=prefix)["jobs"].values()
    return sum(state.get("done", 0) + state.get("failed", 0) for state in states)


def _open(jobs: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(
        int(states.get("queued", 0)) + int(states.get("running", 0))
        for kind, states in jobs.items()
        if kind not in _NOT_AWAITED
    )
