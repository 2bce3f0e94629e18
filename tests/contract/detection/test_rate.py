"""A camera that sends more than the policy's `max_fps`, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import permutations

import pytest
from sqlalchemy import select

from functions.detection.policy import parse_policy
from functions.detection.repository import tables
from hearth.ledger.ledger import JobState
from hearth_vision.detections import Detections
from hearth_vision.images import Bgr
from tests.contract.detection.harness import (
    DetectionHarness,
    ScriptedDetector,
    frame_jpeg,
    notification,
)
from tests.contract.detection.test_main_job import walk
from tests.support.fakes import LambdaContext, sqs_event

RATED = b"""
defaults: {required: [], restricted: true, max_fps: 2.5, episode: {gap_s: 2, idle_after_s: 20}}
"""


@pytest.fixture
def rate_limited(harness: DetectionHarness) -> DetectionHarness:
    harness.policy = parse_policy(RATED)
    return harness


def test_frames_over_the_rate_limit_are_neither_fetched_nor_judged_and_counted_apart(
    rate_limited: DetectionHarness,
) -> None:
    for n in range(50):
        key = rate_limited.upload(n / 10, frame_jpeg(1))
        if n == 2:
            del rate_limited.store.objects[key]  # who fetched it would fail
        rate_limited.upload(n / 2, frame_jpeg(1), "calm")
    rate_limited.drain()
    flood, calm = rate_limited.camera(), rate_limited.camera("calm")
    assert (flood.frames, flood.failed, flood.over_rate, flood.dropped) == (14, 0, 36, None)
    assert (calm.frames, calm.over_rate) == (50, None)
    assert rate_limited.detector.seen == 64
    assert {job.state for job in rate_limited.jobs("detection.frame")} == {JobState.DONE}
    # Delivered once more, they are counted no more.
    for n in range(50):
        rate_limited.upload(n / 10, frame_jpeg(1))
    rate_limited.drain()
    assert (rate_limited.camera().frames, rate_limited.camera().over_rate) == (14, 36)
    assert rate_limited.detector.seen == 64


@pytest.mark.parametrize("seed", range(4))
def test_the_rate_holds_in_whatever_order_and_batches_frames_come(
    rate_limited: DetectionHarness, seed: int
) -> None:
    rng = random.Random(seed)
    walk(rate_limited, 0, 60, end=False)
    walk(rate_limited, 30, 40)
    rate_limited.announced += rng.choices(rate_limited.announced, k=20)
    rate_limited.drain(shuffle=rng)
    rate_limited.pass_time(60)
    assert rate_limited.unfinished() == []
    frames, _, over_rate = counted(rate_limited)
    assert frames + over_rate == 100
    # Two windows of ten seconds and a third of eight: one frame to spare in each.
    assert frames <= (1 + 25) + (1 + 5) + (1 + 20)
    assert len(kept(rate_limited)) == frames
    seen = rate_limited.db.read(lambda tx: tx.execute(tables.observations.select()).all())
    assert {one.frame_key for one in seen} <= kept(rate_limited)


def test_a_late_frame_displaces_no_frame_that_is_judged(rate_limited: DetectionHarness) -> None:
    for time in (0, 0.1, 0.5, 0.9, 1.3):
        rate_limited.upload(time, frame_jpeg(1))
    rate_limited.drain()
    assert counted(rate_limited) == (5, 5, None)
    before = kept(rate_limited)
    rate_limited.upload(0.05, frame_jpeg(2))
    rate_limited.drain()
    assert kept(rate_limited) == before
    assert counted(rate_limited) == (5, 5, 1)
    # There is still room behind them.
    rate_limited.upload(2.5, frame_jpeg(1))
    rate_limited.drain()
    assert counted(rate_limited) == (6, 6, 1)


def test_workers_at_once_keep_a_batch_too_many_at_most(rate_limited: DetectionHarness) -> None:
    during = iter([lambda: deliver(rate_limited, 0, 0.05)])

    class Slow(ScriptedDetector):
        def detect(self, images: Iterable[Bgr]) -> list[Detections]:
            found = super().detect(images)
            for others in during:
                others()
            return found

    rate_limited.detector = Slow()
    deliver(rate_limited, 0.1, 0.5)
    # Alone, one worker would have dropped one of the four.
    assert counted(rate_limited) == (4, 4, None)
    done = {job.state for job in rate_limited.jobs("detection.frame")}
    assert done == {JobState.DONE}
    # What is kept too much counts against what comes next.
    deliver(rate_limited, 0.6, 0.7)
    assert counted(rate_limited) == (4, 4, 2)


def test_two_workers_at_once_lose_no_frame_and_count_each_once(
    rate_limited: DetectionHarness,
) -> None:
    walk(rate_limited, 0, 60, end=False)
    rate_limited.run_two_workers(random.Random(7))
    rate_limited.drain()
    frames, _, over_rate = counted(rate_limited)
    assert frames + over_rate == 60
    assert len(kept(rate_limited)) == frames
    alone = (1 + 25) + (1 + 5)
    assert frames <= alone + 10


@pytest.mark.parametrize("order", list(permutations(("broken", "first", "second"))))
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_frame_that_cannot_be_read_takes_a_place_in_its_own_batch_only(
    rate_limited: DetectionHarness, order: tuple[str, ...], size: int
) -> None:
    frames = {
        "broken": (0.0, b"broken"),
        "first": (0.05, frame_jpeg(1)),
        "second": (0.1, frame_jpeg(1)),
    }
    for start in range(0, 3, size):
        for name in order[start : start + size]:
            rate_limited.upload(*frames[name])
        rate_limited.drain()
    rate_limited.pass_time(1)
    camera = rate_limited.camera()
    # In a batch of three, the last one is over the rate of the first two.
    assert camera.frames == (1 if size == 3 else 2)
    assert camera.frames + camera.failed + (camera.over_rate or 0) == 3
    assert rate_limited.unfinished() == []


def test_a_lower_rate_limit_deletes_no_judged_frame(rate_limited: DetectionHarness) -> None:
    rate_limited.policy = parse_policy(b"defaults: {restricted: true}")
    for n in range(20):
        rate_limited.upload(n / 20, frame_jpeg(1))
    rate_limited.drain()
    rate_limited.policy = parse_policy(RATED)
    for time in (0.99, 5, 7.7, 10):
        rate_limited.upload(time, frame_jpeg(1))
    rate_limited.drain()
    # 20 frames are what the rate gives in 7.6 seconds.
    assert counted(rate_limited) == (22, 22, 2)


def test_overdue_frames_do_not_count_against_the_rate_limit(rate_limited: DetectionHarness) -> None:
    rate_limited.policy = parse_policy(b"defaults: {restricted: true, max_fps: 1, max_lag_s: 5}")
    for time in (0, 0.1, 0.2, 0.3):
        rate_limited.upload(time, frame_jpeg(1))
    rate_limited.clock.advance(20)
    for time in (12, 16, 16.1, 16.2):
        rate_limited.upload(time, frame_jpeg(1))
    rate_limited.drain()
    # Of the first four one is due and three are late; of the others, one is late as well.
    camera = rate_limited.camera()
    assert (camera.frames, camera.dropped, camera.over_rate) == (5, 3, None)
    for n in range(10):
        rate_limited.upload(16.3 + n / 100, frame_jpeg(1))
    rate_limited.drain()
    camera = rate_limited.camera()
    assert camera.frames + camera.dropped + camera.over_rate == 18


def deliver(harness: DetectionHarness, *times: float) -> None:
    """One batch of one worker."""
    keys = [harness.upload(time, frame_jpeg(1)) for time in times]
    harness.announced.clear()
    answer = harness.handler()(sqs_event(*map(notification, keys)), LambdaContext())
    assert answer == {"batchItemFailures": []}


def kept(harness: DetectionHarness) -> set[str]:
    """Keys of the frames that are stored."""
    query = select(tables.frames.c.frame_key)
    return set(harness.db.read(lambda tx: tx.execute(query).scalars().all()))


def counted(harness: DetectionHarness) -> tuple[int, int, int | None]:
    """Frames, violations and frames beyond the rate."""
    camera = harness.camera()
    return camera.frames, camera.violation, camera.over_rate
