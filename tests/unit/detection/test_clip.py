"""Clips around peak frames."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image

from functions.detection.incidents.clip import (
    LAST_MS,
    MAX_MS,
    MIN_MS,
    ClipFrame,
    choose_evenly,
    make_clip,
)
from hearth_vision.detections import Detections
from hearth_vision.images import Bgr

START = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)


def frames(*seconds: float) -> list[ClipFrame]:
    """Frames of noise, each another one."""
    rng = np.random.default_rng(1)
    return [
        ClipFrame(
            START + timedelta(seconds=second), rng.integers(0, 256, (180, 320, 3), np.uint8), []
        )
        for second in seconds
    ]


def durations(clip: bytes) -> list[int]:
    image = Image.open(io.BytesIO(clip))
    found = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        found.append(int(image.info["duration"]))
    return found


class FaceOnce:
    """Finds one face on the first image that it is shown, and never again."""

    method = "once"

    def __init__(self) -> None:
        self.shown = 0

    def find(self, image: Bgr) -> Detections:
        self.shown += 1
        if self.shown > 1:
            return Detections.empty()
        box = np.array([[100, 50, 140, 100]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64))


def test_without_two_frames_there_is_no_clip() -> None:
    assert make_clip([], None) is None
    assert make_clip(frames(0), None) is None


def test_frames_stay_as_long_as_they_did() -> None:
    clip = make_clip(frames(0, 0.2, 0.21, 9), None)
    assert clip is not None
    assert durations(clip) == [200, MIN_MS, MAX_MS, LAST_MS]
    assert clip == make_clip(frames(0, 0.2, 0.21, 9), None)


def test_a_frame_of_another_size_is_left_out() -> None:
    odd = ClipFrame(START, np.zeros((90, 320, 3), np.uint8), [])
    clip = make_clip([*frames(0, 1), odd], None)
    assert clip is not None
    assert len(durations(clip)) == 2


def test_a_face_is_blurred_on_its_own_frame_and_on_the_next_one() -> None:
    given = frames(0, 1, 2)
    clip = make_clip(given, FaceOnce())
    assert clip is not None
    image = Image.open(io.BytesIO(clip))
    noise = []
    for number in range(3):
        image.seek(number)
        noise.append(float(np.asarray(image.convert("RGB"))[60:90, 110:130].std()))
    assert max(noise[:2]) < noise[2] / 2


def test_long_times_are_shown_by_few_frames_with_both_ends() -> None:
    rows = list(range(1000))
    chosen = choose_evenly(rows, 24)
    assert (len(chosen), chosen[0], chosen[-1]) == (24, 0, 999)
    assert choose_evenly(rows[:5], 24) == rows[:5]
