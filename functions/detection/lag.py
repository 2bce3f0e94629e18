"""Which frames are let go when more come in than can be judged.

A frame that waited longer than its camera's `max_lag_s` since its capture is dropped, the oldest
of a backlog first, as it stands first in the queue: what a live camera sees now is worth more than
what it saw a minute ago. So that no camera falls silent, and one which sends ten times as much as
the others gets no more than they do, each camera keeps one frame for every `max_lag_s` of capture
time, however late.

Dropping costs neither a download nor an inference. It is off unless the policy asks for it: then a
clip that is hours old is judged whole. Frames that come faster than agreed are `rate`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

Frame = tuple[str, datetime, float | None]
"""Camera, time of capture, the camera's `max_lag_s`."""


def overdue(
    frames: Iterable[tuple[str, Frame]], judged: Mapping[str, datetime], now: datetime
) -> set[str]:
    """Names of the frames to let go.

    Args:
        frames: Name and frame; in any order.
        judged: When each camera's latest judged frame was captured.
        now: To measure the lag from.
    """
    latest = dict(judged)
    dropped = set()
    for name, (camera_id, captured_at, max_lag_s) in sorted(frames, key=lambda one: one[1][1]):
        if max_lag_s is None:
            continue
        lag = timedelta(seconds=max_lag_s)
        last = latest.get(camera_id)
        due = last is None or captured_at - last >= lag
        if now - captured_at > lag and not due:
            dropped.add(name)
        else:
            latest[camera_id] = captured_at if last is None else max(last, captured_at)
    return dropped
