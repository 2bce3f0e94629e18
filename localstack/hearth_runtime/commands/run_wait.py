"""Waits until all that was brought in has been worked on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hearth_runtime.commands.stack_client import Api
from hearth_runtime.watch.watcher import WatchSummary

_POLL_S = 0.25
# The digest of a day waits for its hour: nobody who runs a clip means to wait for that.
_NOT_AWAITED = frozenset({"reports.digest"})


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
        stored: Camera → how many of its pictures the bucket holds. A frame whose notification was
            lost has no job yet; the sweep finds it, and until then this number tells.
        timeout_s: Gives up after so long.
        stop: Gives up at once.
        alive: Raises when the stack has died.
        tell: Told how far it is, for a person.
    """
    started = time.monotonic()
    frames_at: float | None = None
    quiet = 0
    opened = 0
    while not stop.is_set() and time.monotonic() - started < timeout_s:
        alive()
        done = sum(_done(api, f"frame:frames/{camera}/") for camera in stored)
        wanted = sum(stored.values())
        if done >= wanted and frames_at is None:
            frames_at = time.monotonic() - started
        ends = [s.end_key for s in summaries if s.end_key is not None]
        opened = _open(api.get("/jobs/summary")["jobs"])
        tell(f"{min(done, wanted)} of {wanted} frames judged, {opened} jobs open")
        ended = frames_at is not None and all(_done(api, f"end:{key}") for key in ends)
        # Twice in a row: between a frame and the job that follows from it there is an instant.
        quiet = quiet + 1 if ended and opened == 0 else 0
        if quiet == 2:
            return Settled(True, frames_at, time.monotonic() - started, 0)
        stop.wait(_POLL_S)
    return Settled(False, frames_at, time.monotonic() - started, opened)


def _done(api: Api, prefix: str) -> int:
    states = api.get("/jobs/summary", dedupe_prefix=prefix)["jobs"].values()
    return sum(state.get("done", 0) + state.get("failed", 0) for state in states)


def _open(jobs: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(
        int(states.get("queued", 0)) + int(states.get("running", 0))
        for kind, states in jobs.items()
        if kind not in _NOT_AWAITED
    )
