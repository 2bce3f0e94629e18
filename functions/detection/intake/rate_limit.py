"""Which frames are let go when a camera sends more of them than agreed (`max_fps`).

Time of capture is cut into windows of ten seconds, or of ten frames where those take longer. A
frame that was captured `t` seconds into its window is kept if fewer than `1 + max_fps * t` frames
before it in the window are. That is a token bucket which begins anew with each window: what is
kept of a flood is spread evenly; a camera that keeps to its rate loses nothing while its times are
off by less than half a frame's; no window keeps two frames more than the rate gives.

What is kept depends on the times of the frames alone, not on when and with which others they
arrive. A frame never speaks for or against one that was captured before it; one that comes late
puts out at most one that was captured after it; and what was let go once would be let go for ever,
whatever else comes. So the frames that are stored are all there is to remember. Frames that cannot
be read take nobody's place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

WINDOW_S: Final = 10
WINDOW_FRAMES: Final = 10

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True)
class Choice:
    """What of one camera is too much.

    Attributes:
        refused: New frames that are let go.
        displaced: Stored ones that would not have been kept, had the new ones come in time.
    """

    refused: frozenset[datetime]
    displaced: frozenset[datetime]


def choose(new: Iterable[datetime], stored: Collection[datetime], max_fps: float) -> Choice:
    """Decide about frames of one camera, which their times of capture (aware) name.

    Args:
        new: In any order; one that is stored already is never refused.
        stored: Every frame that is stored of the windows that the new ones lie in.
        max_fps: Frames a second.
    """
    new, before = set(new), set(stored)
    kept = _kept(before | new, max_fps)
    # Compared with what the same rate keeps of the stored ones: a rate that was lowered is no
    # reason to take back what was judged under the former one.
    displaced = _kept(before, max_fps) - kept
    return Choice(frozenset(new - before - kept), frozenset(displaced))


def windows(times: Iterable[datetime], max_fps: float) -> list[tuple[datetime, datetime]]:
    """First and last microsecond of each window that some times lie in, in order."""
    length = _length(max_fps)
    starts = sorted({_microseconds(time) // length * length for time in times})
    return [(_time(start), _time(start + length - 1)) for start in starts]


def _kept(times: Collection[datetime], max_fps: float) -> set[datetime]:
    length = _length(max_fps)
    kept: set[datetime] = set()
    window, count = None, 0
    for time in sorted(times):
        index, into = divmod(_microseconds(time), length)
        if index != window:
            window, count = index, 0
        if count < 1 + max_fps * into / 1_000_000:
            kept.add(time)
            count += 1
    return kept


def _length(max_fps: float) -> int:
    """Of a window, in microseconds."""
    return round(1_000_000 * max(WINDOW_S, WINDOW_FRAMES / max_fps))


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _time(microseconds: int) -> datetime:
    """The moment, within what a `datetime` can hold."""
    return _EPOCH + timedelta(microseconds=min(max(microseconds, _FIRST), _LAST))
