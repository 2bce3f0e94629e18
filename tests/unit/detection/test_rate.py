"""Which frames of a camera are over its rate limit."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.detection.intake.rate_limit import over_rate_limit, windows

# Ten seconds begin here, as every window of a rate of one or more.
START = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)


def at(*seconds: float) -> list[datetime]:
    return [START + timedelta(microseconds=round(s * 1_000_000)) for s in seconds]


def seconds(times: set[datetime]) -> list[float]:
    return sorted((time - START) / timedelta(seconds=1) for time in times)


def steady(fps: float, span_s: float = 10) -> list[datetime]:
    return at(*(n / fps for n in range(round(span_s * fps))))


@pytest.mark.parametrize(
    ("new", "stored", "max_fps", "dropped"),
    [
        ([], [], 5, []),
        ([0], [], 5, []),
        ([], [0, 0.01, 0.02], 1, []),
        # One for each second, and one to spare.
        ([0, 0.5, 1, 1.5, 2], [], 1, [1, 2]),
        ([2, 0.5, 1], [0, 1.5], 1, [1, 2]),
        # What was not used is there still, until the window ends.
        ([3, 3.1, 3.2, 3.3, 3.4, 3.45], [], 1, [3.45]),
        ([9.9, 10, 10.1, 10.2], [], 1, [10.2]),
        # A late frame displaces no frame that was judged after it.
        ([0], [0.5, 0.9, 2.5], 1, [0]),
        ([1.2], [0, 1, 2, 3], 1, [1.2]),
        ([0.9], [0, 0.5, 2.5], 1, [0.9]),
        ([0], [0.5, 2.5], 1, []),
        # What is stored is not dropped, also when it is more than the rate gives, and it counts.
        ([0.1, 0.2], [0, 0.1, 0.2, 0.3], 1, []),
        ([0.4, 2.9, 4], [0, 0.1, 0.2, 0.3], 1, [0.4, 2.9]),
        # Less than one a second: a window holds ten frames.
        ([0, 10, 20, 30, 40], [], 0.05, [20, 40]),
    ],
)
def test_frames_over_the_rate_limit_are_dropped(
    new: list[float], stored: list[float], max_fps: float, dropped: list[float]
) -> None:
    assert seconds(over_rate_limit(at(*new), at(*stored), max_fps)) == dropped


def test_kept_frames_of_a_flood_are_spread_evenly() -> None:
    flood = steady(30)
    kept = sorted(set(flood) - over_rate_limit(flood, [], 5))
    assert len(kept) == 51
    assert kept[1] - kept[0] < timedelta(seconds=0.04), "the one to spare"
    apart = {(b - a) / timedelta(seconds=1) for a, b in pairwise(kept[1:])}
    assert max(apart) - min(apart) < 0.07


@given(
    st.sampled_from([0.05, 0.5, 1, 4.9, 5, 15, 29.97]),
    st.floats(0, 1),
    st.randoms(use_true_random=True),
)
def test_a_camera_that_keeps_to_its_rate_loses_nothing_however_its_clock_jitters(
    fps: float, phase: float, rng: random.Random
) -> None:
    times = at(*((n + phase + rng.uniform(-0.45, 0.45)) / fps for n in range(200)))
    assert over_rate_limit(times, [], fps) == set()


@given(st.floats(0.01, 20), st.randoms(use_true_random=True))
def test_no_window_keeps_two_frames_more_than_the_rate_gives(
    max_fps: float, rng: random.Random
) -> None:
    span = max(10, 10 / max_fps)
    times = at(*(rng.uniform(0, span) for _ in range(1000)))
    for first, last in windows(times, max_fps):
        within = {time for time in times if first <= time <= last}
        kept = within - over_rate_limit(within, [], max_fps)
        assert len(kept) < max_fps * span + 2


moments = st.lists(st.integers(0, 300), min_size=1, max_size=60, unique=True)


@given(moments, st.sampled_from([0.2, 1, 2.5]), st.randoms(use_true_random=False))
def test_the_limit_holds_in_whatever_order_and_batches_frames_come(
    tenths: list[int], max_fps: float, rng: random.Random
) -> None:
    everything = at(*(n / 10 for n in tenths))
    left, stored, dropped = list(everything), set[datetime](), 0
    # Some come twice.
    left += rng.choices(left, k=len(left) // 4)
    rng.shuffle(left)
    done = set[datetime]()
    while left:
        size = rng.randint(1, 10)
        batch, left = {one for one in left[:size] if one not in done}, left[size:]
        done.update(batch)
        over = over_rate_limit(batch, stored, max_fps)
        stored |= batch - over
        dropped += len(over)
    assert dropped == len(everything) - len(stored)
    # Of what is kept nothing is over the limit, so an upload in order would have kept it too.
    assert over_rate_limit(stored, [], max_fps) == set()


@given(moments, st.sampled_from([0.2, 1, 2.5]))
def test_frames_in_order_are_kept_alike_one_by_one_and_all_at_once(
    tenths: list[int], max_fps: float
) -> None:
    times = at(*(n / 10 for n in sorted(tenths)))
    stored = set[datetime]()
    for time in times:
        stored |= {time} - over_rate_limit([time], stored, max_fps)
    assert stored == set(times) - over_rate_limit(times, [], max_fps)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.floats(0.01, 120),
)
def test_every_moment_has_a_window(time: datetime, max_fps: float) -> None:
    [(first, last)] = windows([time], max_fps)
    assert first <= time <= last
    assert over_rate_limit([time], [], max_fps) == set()


def test_the_ends_of_time_have_windows_too() -> None:
    ends = [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    assert over_rate_limit(ends, [], 0.01) == set()
    assert [span for span in windows(ends, 0.01) if span[0] > span[1]] == []
