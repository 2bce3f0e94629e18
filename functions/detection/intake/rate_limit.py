"""Rate limit of a camera (`max_fps`): a token bucket over times of capture.

Time of capture is cut into windows of ten seconds, or of ten frames where those take longer. In
each window the bucket begins anew: a frame that was captured `t` seconds into its window is kept
if fewer than `1 + max_fps * t` kept frames come before it, and if that stays true of each kept
frame behind it. So what is kept of a flood is spread evenly, no window keeps two frames more than
the rate gives, and a camera that keeps to its rate loses nothing while its clock is off by less
than half the time between two frames.

The frames that are stored are the bucket's whole memory, whichever worker judged them. Frames that
cannot be decoded do not count once that is known. Workers that judge frames of one camera at the
same moment do not see each other's: together they may keep a batch too many, which then counts
against the frames that follow.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

WINDOW_S: Final = 10
WINDOW_FRAMES: Final = 10

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def over_rate_limit(
    new: Iterable[datetime], stored: Iterable[datetime], max_fps: float
) -> set[datetime]:
    """Which new frames of one camera to drop; a frame is known by its time of capture (aware).

    Args:
        new: In any order; a time that is stored is never dropped.
        stored: Every stored frame of the windows that the new frames lie in.
        max_fps: Frames a second.
    """
    length = _window_length(max_fps)
    stored = set(stored)
    kept_by_window: defaultdict[int, list[int]] = defaultdict(list)
    for time in sorted(stored):
        window, offset = divmod(_to_microseconds(time), length)
        kept_by_window[window].append(offset)
    dropped = set()
    for time in sorted(set(new) - stored):
        window, offset = divmod(_to_microseconds(time), length)
        kept = kept_by_window[window]
        place = bisect(kept, offset)
        # Each kept frame behind this one would have one more before it.
        from_here = enumerate([offset, *kept[place:]], place)
        if all(before < 1 + max_fps * at / 1_000_000 for before, at in from_here):
            kept.insert(place, offset)
        else:
            dropped.add(time)
    return dropped


def windows(times: Iterable[datetime], max_fps: float) -> list[tuple[datetime, datetime]]:
    """First and last microsecond of each window that some times lie in, in order."""
    length = _window_length(max_fps)
    starts = sorted({_to_microseconds(time) // length * length for time in times})
    return [(_to_time(start), _to_time(start + length - 1)) for start in starts]


def _window_length(max_fps: float) -> int:
    """Microseconds."""
    return round(1_000_000 * max(WINDOW_S, WINDOW_FRAMES / max_fps))


def _to_microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _to_time(microseconds: int) -> datetime:
    """The moment, within what a `datetime` can hold."""
    return _EPOCH + timedelta(microseconds=min(max(microseconds, _FIRST), _LAST))
