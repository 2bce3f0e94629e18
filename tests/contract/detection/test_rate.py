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
from tests.contract.detection.stage import ScriptedDetector, Stage, notification, picture
from tests.contract.detection.test_main_job import walk
from tests.support.fakes import LambdaContext, sqs_event

RATED = b"""
defaults: {required: [], restricted: true, max_fps: 2.5, episode: {gap_s: 2, idle_after_s: 20}}
"""


@pytest.fixture
def rated(stage: Stage) -> Stage:
    stage.policy = parse_policy(RATED)
    return stage


def test_frames_over_the_rate_limit_are_neither_fetched_nor_judged_and_counted_apart(
    rated: Stage,
) -> None:
    for n in range(50):
        key = rated.upload(n / 10, picture(1))
        if n == 2:
            del rated.store.objects[key]  # who fetched it would fail
        rated.upload(n / 2, picture(1), "calm")
    rated.drain()
    flood, calm = rated.camera(), rated.camera("calm")
    assert (flood.frames, flood.failed, flood.over_rate, flood.dropped) == (14, 0, 36, None)
    assert (calm.frames, calm.over_rate) == (50, None)
    assert rated.detector.seen == 64
    assert {job.state for job in rated.jobs("detection.frame")} == {JobState.DONE}
    # Delivered once more, they are counted no more.
    for n in range(50):
        rated.upload(n / 10, picture(1))
    rated.drain()
    assert (rated.camera().frames, rated.camera().over_rate) == (14, 36)
    assert rated.detector.seen == 64


@pytest.mark.parametrize("seed", range(4))
def test_the_rate_holds_in_whatever_order_and_batches_frames_come(rated: Stage, seed: int) -> None:
    rng = random.Random(seed)
    walk(rated, 0, 60, end=False)
    walk(rated, 30, 40)
    rated.announced += rng.choices(rated.announced, k=20)
    rated.drain(shuffle=rng)
    rated.pass_time(60)
    assert rated.unfinished() == []
    frames, _, over_rate = counted(rated)
    assert frames + over_rate == 100
    # Two windows of ten seconds and a third of eight: one frame to spare in each.
    assert frames <= (1 + 25) + (1 + 5) + (1 + 20)
    assert len(kept(rated)) == frames
    seen = rated.db.read(lambda tx: tx.execute(tables.observations.select()).all())
    assert {one.frame_key for one in seen} <= kept(rated)


def test_a_late_frame_displaces_no_frame_that_is_judged(rated: Stage) -> None:
    for time in (0, 0.1, 0.5, 0.9, 1.3):
        rated.upload(time, picture(1))
    rated.drain()
    assert counted(rated) == (5, 5, None)
    before = kept(rated)
    rated.upload(0.05, picture(2))
    rated.drain()
    assert kept(rated) == before
    assert counted(rated) == (5, 5, 1)
    # There is still room behind them.
    rated.upload(2.5, picture(1))
    rated.drain()
    assert counted(rated) == (6, 6, 1)


def test_workers_at_once_keep_a_batch_too_many_at_most(rated: Stage) -> None:
    during = iter([lambda: deliver(rated, 0, 0.05)])

    class Slow(ScriptedDetector):
        def detect(self, images: Iterable[Bgr]) -> list[Detections]:
            found = super().detect(images)
            for others in during:
                others()
            return found

    rated.detector = Slow()
    deliver(rated, 0.1, 0.5)
    # Alone, one worker would have dropped one of the four.
    assert counted(rated) == (4, 4, None)
    done = {job.state for job in rated.jobs("detection.frame")}
    assert done == {JobState.DONE}
    # What is kept too much counts against what comes next.
    deliver(rated, 0.6, 0.7)
    assert counted(rated) == (4, 4, 2)


def test_two_workers_at_once_lose_no_frame_and_count_each_once(rated: Stage) -> None:
    walk(rated, 0, 60, end=False)
    rated.run_two_workers(random.Random(7))
    rated.drain()
    frames, _, over_rate = counted(rated)
    assert frames + over_rate == 60
    assert len(kept(rated)) == frames
    alone = (1 + 25) + (1 + 5)
    assert frames <= alone + 10


@pytest.mark.parametrize("order", list(permutations(("broken", "first", "second"))))
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_frame_that_cannot_be_read_takes_a_place_in_its_own_batch_only(
    rated: Stage, order: tuple[str, ...], size: int
) -> None:
    frames = {"broken": (0.0, b"broken"), "first": (0.05, picture(1)), "second": (0.1, picture(1))}
    for start in range(0, 3, size):
        for name in order[start : start + size]:
            rated.upload(*frames[name])
        rated.drain()
    rated.pass_time(1)
    camera = rated.camera()
    # In a batch of three, the last one is over the rate of the first two.
    assert camera.frames == (1 if size == 3 else 2)
    assert camera.frames + camera.failed + (camera.over_rate or 0) == 3
    assert rated.unfinished() == []


def test_a_rate_that_is_lowered_takes_back_nothing(rated: Stage) -> None:
    rated.policy = parse_policy(b"defaults: {restricted: true}")
    for n in range(20):
        rated.upload(n / 20, picture(1))
    rated.drain()
    rated.policy = parse_policy(RATED)
    for time in (0.99, 5, 7.7, 10):
        rated.upload(time, picture(1))
    rated.drain()
    # 20 frames are what the rate gives in 7.6 seconds.
    assert counted(rated) == (22, 22, 2)


def test_overdue_frames_do_not_count_against_the_rate_limit(rated: Stage) -> None:
    rated.policy = parse_policy(b"defaults: {restricted: true, max_fps: 1, max_lag_s: 5}")
    for time in (0, 0.1, 0.2, 0.3):
        rated.upload(time, picture(1))
    rated.clock.advance(20)
    for time in (12, 16, 16.1, 16.2):
        rated.upload(time, picture(1))
    rated.drain()
    # Of the first four one is due and three are late; of the others, one is late as well.
    camera = rated.camera()
    assert (camera.frames, camera.dropped, camera.over_rate) == (5, 3, None)
    for n in range(10):
        rated.upload(16.3 + n / 100, picture(1))
    rated.drain()
    camera = rated.camera()
    assert camera.frames + camera.dropped + camera.over_rate == 18


def deliver(stage: Stage, *times: float) -> None:
    """One batch of one worker."""
    keys = [stage.upload(time, picture(1)) for time in times]
    stage.announced.clear()
    answer = stage.handler()(sqs_event(*map(notification, keys)), LambdaContext())
    assert answer == {"batchItemFailures": []}


def kept(stage: Stage) -> set[str]:
    """Keys of the frames that are stored."""
    query = select(tables.frames.c.frame_key)
    return set(stage.db.read(lambda tx: tx.execute(query).scalars().all()))


def counted(stage: Stage) -> tuple[int, int, int | None]:
    """Frames, violations and frames beyond the rate."""
    camera = stage.camera()
    return camera.frames, camera.violation, camera.over_rate
