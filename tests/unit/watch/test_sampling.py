"""Which frames are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_runtime.watch.frames import Frame, Image, ImageLimits, Region, encode
from hearth_runtime.watch.sampling import MotionGate, Sampler


def kept(fps: float | None, times_ms: list[float]) -> list[float]:
    sampler = Sampler(fps)
    return [at for at in times_ms if sampler(round(at * 1000))]


@pytest.mark.parametrize(
    ("fps", "times", "expected"),
    [
        (5, [], []),
        (5, [0], [0]),
        (5, [1234], [1234]),
        (None, [0, 1, 2], [0, 1, 2]),
        (5, [0, 100, 200, 300, 400], [0, 200, 400]),
        (5, [0, 99.99, 199.99, 300, 399.6], [0, 199.99, 399.6]),  # rounded container times
        (5, [0, 70, 140, 210, 280, 350, 420, 490, 560, 630], [0, 210, 420, 630]),
        (5, [0, 1000, 1100, 1200, 1300], [0, 1000, 1200]),  # no burst after a gap
        (30, [0, 100, 200], [0, 100, 200]),  # a slow source is never padded
    ],
)
def test_frames_are_kept_at_a_steady_rate(
    fps: float | None, times: list[float], expected: list[float]
) -> None:
    assert kept(fps, times) == expected


@given(st.floats(0.5, 60), st.integers(1, 60))
def test_the_mean_rate_is_the_one_asked_for(fps: float, source_fps: int) -> None:
    times = [index * 1000 / source_fps for index in range(10 * source_fps)]
    rate = len(kept(fps, times)) / 10
    assert rate <= min(fps, source_fps) + 0.25
    assert rate >= min(fps, source_fps) * 0.85 - 0.1


def test_every_frame_that_was_asked_about_is_counted() -> None:
    sampler = Sampler(5)
    for at in range(0, 1_000_000, 10_000):
        sampler(at)
    assert sampler.seen == 100


def scene(left: int | None = None, *, noise: int = 0) -> Image:
    image = np.full((270, 480, 3), 100, np.uint8)
    if noise:
        random = np.random.default_rng(noise)
        image = (image + random.integers(-5, 6, image.shape)).astype(np.uint8)
    if left is not None:
        image[100:140, left : left + 16] = 220  # a person a seventh as tall as the image
    return image


def passed(gate: MotionGate, images: list[Image], step_us: int = 100_000) -> list[bool]:
    return [
        gate.passes(Frame(i, i * step_us, image), i * step_us) for i, image in enumerate(images)
    ]


def test_nothing_passes_of_nothing() -> None:
    gate = MotionGate()
    assert passed(gate, []) == []
    assert gate.dropped == 0


def test_the_first_frame_passes_and_its_copies_do_not() -> None:
    gate = MotionGate()
    assert passed(gate, [scene()] * 5) == [True, False, False, False, False]
    assert gate.dropped == 4


def test_a_small_person_who_appears_moves_or_leaves_passes() -> None:
    frames = [scene(), scene(50), scene(80), scene(80), scene()]
    assert passed(MotionGate(), frames) == [True, True, True, False, True]


def test_sensor_noise_does_not_pass() -> None:
    frames = [scene(noise=seed) for seed in range(1, 9)]
    assert passed(MotionGate(), frames) == [True] + [False] * 7


def test_slow_motion_adds_up() -> None:
    frames = [scene(50 + index) for index in range(20)]
    assert sum(passed(MotionGate(), frames)) > 2


def test_a_still_camera_passes_one_frame_a_second() -> None:
    assert sum(passed(MotionGate(), [scene()] * 50)) == 5


def test_a_change_of_size_passes() -> None:
    frames = [scene(), np.ascontiguousarray(scene()[:100])]
    assert passed(MotionGate(), frames) == [True, True]


def test_an_unreadable_image_passes_so_that_it_is_seen() -> None:
    gate = MotionGate()
    frames = [Frame(i, i, encoded=b"no image") for i in range(3)]
    assert [gate.passes(frame, frame.captured_at) for frame in frames] == [True] * 3


LEFT_HALF: Region = (0, 0, 0.5, 1)
TOP_RIGHT: Region = (0.75, 0, 1, 0.25)
WALK = [scene(at) for at in range(20, 440, 40)]  # in y from 0.37 to 0.52 of the image


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ((), [True] * 11),
        (((0, 0, 1, 1),), [True] * 11),
        # While somebody is in it, and when nobody is any more.
        ((LEFT_HALF,), [True] * 7 + [False] * 4),
        (((0.5, 0, 1, 1),), [True] + [False] * 5 + [True] * 5),
        ((TOP_RIGHT,), [True] + [False] * 10),
        # Several: what lies between them is not looked at.
        (((0, 0, 0.05, 1), (0.95, 0, 1, 1)), [True, True] + [False] * 9),
        ((LEFT_HALF, (0.5, 0, 1, 1)), [True] * 11),
        ((LEFT_HALF, (0.25, 0.25, 1, 1)), [True] * 11),
    ],
)
@pytest.mark.parametrize("as_jpeg", [False, True])
def test_motion_counts_in_the_regions_only(
    regions: tuple[Region, ...], expected: list[bool], as_jpeg: bool
) -> None:
    gate = MotionGate(keep_alive_us=10_000_000, regions=regions)
    frames = [
        Frame(n, n, None, encode(image, ImageLimits())) if as_jpeg else Frame(n, n, image)
        for n, image in enumerate(WALK)
    ]
    assert [gate.passes(frame, frame.captured_at) for frame in frames] == expected


def test_in_a_small_region_a_smaller_change_counts() -> None:
    def lamp(level: int) -> Image:
        image = scene()
        image[2:8, 470:476] = level
        return image

    images = [lamp(0), lamp(255), lamp(0)]
    assert passed(MotionGate(), images) == [True, False, False]
    assert passed(MotionGate(regions=[TOP_RIGHT]), images) == [True, True, True]


def test_a_region_says_nothing_about_the_noise_of_a_sensor() -> None:
    frames = [scene(noise=seed) for seed in range(1, 9)]
    gate = MotionGate(regions=[(0, 0, 0.05, 0.05)])
    assert passed(gate, frames) == [True] + [False] * 7


@given(
    st.tuples(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.05, 1), st.floats(0.05, 1)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_any_region_can_be_looked_at_on_a_image_of_any_size(
    corner: Region, size: tuple[int, int]
) -> None:
    left, top, width, height = corner
    region = (left, top, min(1.0, left + width), min(1.0, top + height))
    gate = MotionGate(keep_alive_us=10_000_000, regions=[region, (0.9, 0.9, 1, 1)])
    dark, light = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)
    assert passed(gate, [dark, dark, light, light]) == [True, False, True, False]
