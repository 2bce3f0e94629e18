"""Video files, good and broken, and what else a person may type."""

from __future__ import annotations

from pathlib import Path

import pytest

from hearth_runtime.watch.addresses import public_source
from hearth_runtime.watch.errors import SourceError
from hearth_runtime.watch.frames import ImageLimits
from hearth_runtime.watch.sources import open_source
from tests.unit.watch.conftest import Clip

LIMITS = ImageLimits()


def no_warning(message: str) -> None:
    raise AssertionError(message)


@pytest.mark.parametrize("name", ["clip.avi", "clip.mp4"])
def test_a_video_gives_every_frame_with_its_time(clip: Clip, name: str) -> None:
    source = open_source(str(clip(name)), LIMITS, no_warning)
    frames = list(source.frames(lambda at: True))
    assert source.total == len(frames) == 40
    assert [frame.captured_at for frame in frames] == [i * 100_000 for i in range(40)]
    assert frames[0].image is not None
    assert frames[0].image.shape == (240, 320, 3)


def test_a_frame_that_is_not_wanted_is_not_converted(clip: Clip) -> None:
    source = open_source(str(clip()), LIMITS, no_warning)
    frames = source.frames(lambda at: at % 1_000_000 == 0)
    assert [frame.index for frame in frames] == [0, 10, 20, 30]


def test_a_video_that_was_cut_gives_what_can_be_read_and_says_so(clip: Clip) -> None:
    path = clip()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    frames = list(open_source(str(path), LIMITS, said.append).frames(lambda at: True))
    assert 5 < len(frames) < 40
    assert said == [
        f"{path} announces 40 frames but only {len(frames)} could be read: it is cut short or "
        "damaged"
    ]


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "empty"), (b"\0" * 5000, "no video"), (b"plain text", "no video")]
)
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(SourceError, match=why):
        open_source(str(tmp_path / "clip.mp4"), LIMITS, no_warning)


def test_a_video_without_its_index_is_refused(clip: Clip) -> None:
    path = clip("clip.mp4")
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(SourceError, match="no video"):
        open_source(str(path), LIMITS, no_warning)


def test_a_video_with_too_many_pixels_is_refused(clip: Clip) -> None:
    with pytest.raises(SourceError, match="320x240"):
        open_source(str(clip()), ImageLimits(max_pixels=1000), no_warning)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("", "neither|no image|does not exist"),
        ("nothing/here.mp4", "does not exist"),
        ("gopher://host/x", "unknown scheme"),
        ("/dev/null", "not a camera"),
    ],
)
def test_what_is_not_there_is_refused(
    source: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=why):
        open_source(source, LIMITS, no_warning)


def test_an_address_is_shown_without_its_secrets() -> None:
    assert public_source("rtsp://admin:s3cret@cam:554/a?token=b") == "rtsp://cam:554/a"
    assert public_source("clip.mp4") == "clip.mp4"
