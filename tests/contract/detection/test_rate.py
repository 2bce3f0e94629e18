"""A camera that sends more than the policy's `max_fps`, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from functions.detection.policy import parse_policy
from functions.detection.repository import tables
from hearth.frames import frame_key
from hearth.ledger.ledger import JobState
from hearth_vision.detections import Detections
from hearth_vision.images import Bgr
from tests.contract.detection.stage import ScriptedDetector, Stage, notification, picture
from tests.contract.detection.test_main_job import stage_of_its_own, walk
from tests.support.fakes import LambdaContext, sqs_event

RATED = b"""
defaults: {required: [], restricted: true, max_fps: 2.5, episode: {gap_s: 2, idle_after_s: 20}}
"""


@pytest.fixture
def rated(stage: Stage) -> Stage:
    stage.policy = parse_policy(RATED)
    return stage


def test_frames_beyond_the_rate_are_neither_fetched_nor_judged_and_counted_apart(
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
def test_the_same_frames_are_kept_in_whatever_order_and_batches_they_come(
    rated: Stage, seed: int
) -> None:
    def play(stage: Stage, rng: random.Random | None) -> str:
        stage.policy = parse_policy(RATED)
        walk(stage, 0, 60, end=False)
        walk(stage, 30, 40)
        if rng is not None:
            stage.announced += rng.choices(stage.announced, k=20)
        stage.drain(shuffle=rng)
        stage.pass_time(60)
        assert stage.unfinished() == []
        pictures = {k: v for k, v in stage.store.objects.items() if k.startswith("evidence/")}
        return stage.facts() + repr(sorted(pictures.items())) + repr(sorted(kept(stage)))

    shuffled = play(rated, random.Random(seed))
    plain = stage_of_its_own(rated)
    assert shuffled == play(plain, None)
    assert plain.camera().over_rate > 40


def test_a_late_frame_takes_the_place_of_one_after_it(rated: Stage) -> None:
    for time in (0, 0.1, 0.5, 0.9, 1.3):
        rated.upload(time, picture(1))
    rated.drain()
    assert counted(rated) == (5, 5, None)
    late = rated.upload(0.2, picture(2))
    rated.drain()
    assert late not in kept(rated)
    assert counted(rated) == (5, 5, 1)

    later = rated.upload(0.05, picture(2))
    rated.drain()
    gone = frame_key("gate", rated.at(0.1))
    assert later in kept(rated)
    assert gone not in kept(rated)
    assert counted(rated) == (5, 6, 2)
    seen = rated.db.read(lambda tx: tx.execute(tables.observations.select()).all())
    assert {one.frame_key for one in seen} == kept(rated)
    [incident] = rated.incidents()
    assert (incident.frames, incident.persons_max) == (5, 2)

    # The latest frame of all may be the one that goes.
    rated.upload(1.25, picture(1))
    rated.drain()
    assert frame_key("gate", rated.at(1.3)) not in kept(rated)
    assert rated.camera().last_frame_at == rated.at(1.25)


def test_what_another_worker_stored_meanwhile_counts(rated: Stage) -> None:
    during = iter([lambda: deliver(rated, 0, 0.05)])

    class Slow(ScriptedDetector):
        def detect(self, images: Iterable[Bgr]) -> list[Detections]:
            found = super().detect(images)
            for others in during:
                others()
            return found

    rated.detector = Slow()
    deliver(rated, 0.1, 0.5)
    assert rated.detector.seen == 4
    assert kept(rated) == {frame_key("gate", rated.at(time)) for time in (0, 0.05, 0.5)}
    assert counted(rated) == (3, 3, 1)
    done = {job.state for job in rated.jobs("detection.frame")}
    assert done == {JobState.DONE}


def test_two_workers_at_once_keep_what_one_keeps(rated: Stage) -> None:
    walk(rated, 0, 60, end=False)
    messages = [notification(key) for key in rated.announced]
    random.Random(7).shuffle(messages)
    failures: list[BaseException] = []

    def work(mine: list[dict[str, Any]]) -> None:
        worker = rated.handler()
        try:
            for start in range(0, len(mine), 10):
                batch = mine[start : start + 10]
                assert worker(sqs_event(*batch), LambdaContext()) == {"batchItemFailures": []}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(messages[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    rated.announced.clear()
    rated.drain()
    both, counts = kept(rated), counted(rated)
    alone = stage_of_its_own(rated)
    alone.policy = parse_policy(RATED)
    walk(alone, 0, 60, end=False)
    alone.drain()
    assert both == kept(alone)
    assert counts == counted(alone)
    assert counts[0] == len(both)


@pytest.mark.parametrize("order", list(permutations(("broken", "first", "second"))))
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_frame_that_cannot_be_read_takes_nobodys_place(
    rated: Stage, order: tuple[str, ...], size: int
) -> None:
    frames = {"broken": (0.0, b"broken"), "first": (0.05, picture(1)), "second": (0.1, picture(1))}
    for start in range(0, 3, size):
        for name in order[start : start + size]:
            rated.upload(*frames[name])
        rated.drain()
    rated.pass_time(1)
    camera = rated.camera()
    assert (camera.frames, camera.failed, camera.over_rate) == (2, 1, None)
    states = Counter(job.state for job in rated.jobs("detection.frame"))
    assert states == {JobState.DONE: 2, JobState.FAILED: 1}


def test_a_rate_that_is_lowered_takes_back_nothing(rated: Stage) -> None:
    rated.policy = parse_policy(b"defaults: {restricted: true}")
    for n in range(20):
        rated.upload(n / 20, picture(1))
    rated.drain()
    rated.policy = parse_policy(RATED)
    rated.upload(0.99, picture(1))
    rated.upload(5, picture(1))
    rated.drain()
    assert counted(rated) == (21, 21, 1)


def test_what_is_late_takes_nobodys_place(rated: Stage) -> None:
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
