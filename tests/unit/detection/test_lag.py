"""Load shedding: which frames are dropped when too many come in."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from functions.detection.intake.load_shedding import FairShare, WaitingFrame, find_overdue

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def frame(
    seconds: float, camera: str = "gate", max_lag_s: float | None = 10
) -> tuple[str, WaitingFrame]:
    return f"{camera}-{seconds:g}", (camera, ago(seconds), max_lag_s)


@pytest.mark.parametrize(
    ("frames", "judged", "dropped"),
    [
        ([], {}, set()),
        ([frame(3), frame(9.9)], {"gate": 12}, set()),
        ([frame(11)], {"gate": 12}, {"gate-11"}),
        # Without a bound, however late.
        ([frame(4000, max_lag_s=None)], {"gate": 4001}, set()),
        # A camera of which nothing was judged yet, or for so long, keeps one.
        ([frame(50), frame(49)], {}, {"gate-49"}),
        ([frame(50), frame(49)], {"gate": 70}, {"gate-49"}),
        # One for every ten seconds of a backlog.
        (
            [frame(s) for s in (60, 55, 50, 45, 40)],
            {"gate": 61},
            {"gate-60", "gate-55", "gate-45"},
        ),
        # The other's backlog is the other's.
        ([frame(50, "dock"), frame(5)], {"gate": 6, "dock": 51}, {"dock-50"}),
    ],
)
def test_overdue_frames_are_dropped_but_each_camera_keeps_one(
    frames: list[tuple[str, WaitingFrame]], judged: dict[str, float], dropped: set[str]
) -> None:
    times = {camera: ago(seconds) for camera, seconds in judged.items()}
    assert find_overdue(frames, times, NOW) == dropped
    random.Random(0).shuffle(frames)
    assert find_overdue(frames, times, NOW) == dropped


def test_a_flooding_camera_keeps_no_more_overdue_frames_than_the_others() -> None:
    frames = [frame(20 + n / 100, "flood") for n in range(1000)]
    frames += [frame(20 + n, "calm") for n in range(10)]
    left = {name for name, _ in frames} - find_overdue(frames, {}, NOW)
    assert sum(name.startswith("flood") for name in left) == 1
    assert sum(name.startswith("calm") for name in left) == 1


def test_a_camera_over_its_fair_share_is_overdue_sooner() -> None:
    shares = FairShare()
    for _ in range(60):
        shares.count(["flood"] * 9 + ["calm"])
    assert shares.lag_factor("calm") == 1
    assert shares.lag_factor("flood") == pytest.approx(1.5 / 2 / 0.9, abs=0.02)
    frames = [frame(9, "flood"), frame(9, "calm")]
    judged = {"flood": ago(9.5), "calm": ago(9.5)}
    assert find_overdue(frames, judged, NOW) == set()
    assert find_overdue(frames, judged, NOW, shares.lag_factor) == {"flood-9"}


@pytest.mark.parametrize("cameras", [1, 2, 8])
def test_cameras_with_equal_shares_have_their_whole_lag(cameras: int) -> None:
    shares, draw = FairShare(), random.Random(1)
    factors = []
    for _ in range(200):
        batch = [f"camera-{draw.randrange(cameras)}" for _ in range(10)]
        shares.count(batch)
        factors += map(shares.lag_factor, batch)
    assert sum(factors[500:]) / len(factors[500:]) > 0.97


def test_a_camera_that_stopped_sending_has_no_share() -> None:
    shares = FairShare()
    shares.count(["gone"])
    shares.count(["flood"] * 2000)
    assert shares.lag_factor("flood") == 1
