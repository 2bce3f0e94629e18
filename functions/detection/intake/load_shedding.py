"""Load shedding: which frames to drop when more come in than can be judged.

A frame that waited longer than its camera's `max_lag_s` since its capture is dropped, the oldest
of a backlog first, as it stands first in the queue: what a live camera sees now is worth more than
what it saw a minute ago. So that no camera falls silent, each keeps one frame for every `max_lag_s`
of capture time, however late. A camera that sends more than its fair share is late sooner: the
backlog that it makes then ends before the others' frames are late.

Dropping costs neither a download nor an inference. It is off unless the policy asks for it: then a
clip that is hours old is judged whole. Frames over a rate are the business of `rate_limit`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

WaitingFrame = tuple[str, datetime, float | None]
"""Camera, time of capture, the camera's `max_lag_s`."""


_MEMORY: Final = 200
"""Frames after which an earlier frame counts a third."""
_FAIR_SHARES: Final = 1.5
"""How many times its equal share a camera may send before its frames are late sooner."""


class FairShare:
    """How the frames that this process has seen lately are spread over cameras."""

    def __init__(self) -> None:
        self._weights: dict[str, float] = {}

    def count(self, cameras: Iterable[str]) -> None:
        """Count one frame of each."""
        seen = Counter(cameras)
        decay = (1 - 1 / _MEMORY) ** seen.total()
        decayed = {name: weight * decay for name, weight in self._weights.items()}
        self._weights = {name: weight for name, weight in decayed.items() if weight > 0.05}
        for camera, number in seen.items():
            self._weights[camera] = self._weights.get(camera, 0.0) + number

    def lag_factor(self, camera: str) -> float:
        """Which part of its `max_lag_s` a camera's frames may wait, above 0, at most 1."""
        share = self._weights[camera] / sum(self._weights.values())
        return min(1.0, _FAIR_SHARES / len(self._weights) / share)


def find_overdue(
    frames: Iterable[tuple[str, WaitingFrame]],
    last_judged: Mapping[str, datetime],
    now: datetime,
    lag_factor: Callable[[str], float] = lambda _: 1.0,
) -> set[str]:
    """Names of the frames to drop.

    Args:
        frames: Name and frame; in any order.
        last_judged: When each camera's latest judged frame was captured.
        now: The time from which a frame's lag is measured.
        lag_factor: Which part of its `max_lag_s` a camera's frames may wait.
    """
    latest = dict(last_judged)
    dropped = set()
    for name, (camera_id, captured_at, max_lag_s) in sorted(frames, key=lambda one: one[1][1]):
        if max_lag_s is None:
            continue
        max_lag = timedelta(seconds=max_lag_s)
        last = latest.get(camera_id)
        is_due = last is None or captured_at - last >= max_lag
        if now - captured_at > max_lag * lag_factor(camera_id) and not is_due:
            dropped.add(name)
        else:
            latest[camera_id] = captured_at if last is None else max(last, captured_at)
    return dropped
