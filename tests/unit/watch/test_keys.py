"""Names of cameras and frames."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth_runtime.watch.errors import SourceError
from hearth_runtime.watch.keys import (
    CaptureClock,
    camera_slug,
    check_camera,
    default_camera,
    end_key,
    frame_key,
    to_microseconds,
)

CAMERA = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# 9999-12-31 is the last day that the format can name.
MOMENTS = st.integers(0, to_microseconds(datetime(9999, 12, 31, tzinfo=UTC)))


@given(st.text())
def test_any_name_becomes_a_camera_id(name: str) -> None:
    assert CAMERA.fullmatch(camera_slug(name))


def test_names_without_latin_letters_are_different_cameras() -> None:
    names = ["正門", "裏口", "двор", "Ворота", "باب", "двор 1", "двор 2", "門" * 80, "門" * 81]
    assert len({camera_slug(name) for name in names}) == len(names)
    # The same name, composed and decomposed, is the same camera.
    assert camera_slug("й") == camera_slug("\u0438\u0306")


@given(st.from_regex(CAMERA, fullmatch=True))
def test_a_camera_id_is_accepted_as_it_is(camera: str) -> None:
    assert check_camera(camera) == camera


@given(MOMENTS, MOMENTS)
def test_keys_sort_in_the_order_of_capture(one: int, other: int) -> None:
    assert (one < other) == (frame_key("gate", one) < frame_key("gate", other))


@given(MOMENTS)
def test_the_end_marker_sorts_after_its_last_frame_and_before_the_next(at: int) -> None:
    assert frame_key("gate", at) < end_key("gate", at + 1) < frame_key("gate", at + 2)


@given(MOMENTS)
def test_a_key_names_the_instant_exactly(at: int) -> None:
    stamp = frame_key("gate", at).removeprefix("frames/gate/").removesuffix(".jpg")
    read = datetime.strptime(stamp + "+0000", "%Y%m%dT%H%M%S.%fZ%z")
    assert read - datetime(1970, 1, 1, tzinfo=UTC) == timedelta(microseconds=at)


@given(st.lists(st.integers(0, 1_000_000), max_size=30))
def test_capture_times_increase_however_the_clock_trembles(times: list[int]) -> None:
    clock = CaptureClock()
    given_out = [clock(at) for at in times]
    assert all(a < b for a, b in itertools.pairwise(given_out))
    assert all(out >= at for out, at in zip(given_out, times, strict=True))


def test_a_clock_that_was_set_back_is_followed() -> None:
    clock = CaptureClock()
    hour = 3_600_000_000
    assert [clock(at) for at in (hour, hour + 5, 7, 7, 9)] == [hour, hour + 5, 7, 8, 9]


@pytest.mark.parametrize(
    ("source", "camera"),
    [
        ("", "main"),
        ("Front Gate (2).mp4", "front-gate-2"),
        ("clips/Überwachung.avi", "uberwachung"),
        ("日本.gif", "camera-cf2abf0c"),
        ("Kamera ß.mp4", "kamera-ss"),
        ("двор 2.mp4", "2-842da731"),
        ("!!.mp4", "camera"),
        ("0", "device-0"),
        ("/dev/video2", "video2"),
        ("rtsp://admin:s3cret@10.0.0.7:554/Stream1?token=abc", "10-0-0-7-stream1"),
        ("http://cam.local/snapshot.jpg", "cam-local-snapshot"),
        ("http://cam.local", "cam-local"),
        ("rtsp://cam.local/", "cam-local"),
    ],
)
def test_a_source_names_its_camera_without_its_secrets(
    source: str, camera: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "main"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert default_camera(source) == camera


@pytest.mark.parametrize("name", ["", "Gate", "a/b", "-gate", "x" * 64, "gate\n", "tür", "a b"])
def test_a_wrong_camera_id_is_refused_with_one_that_would_do(name: str) -> None:
    with pytest.raises(SourceError) as refused:
        check_camera(name)
    assert camera_slug(name) in refused.value.remedy
