"""Video as cameras and recorders write it: interlaced, without times, damaged, odd pixels."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hearth_runtime.watch.errors import SourceError, SourceLost
from hearth_runtime.watch.frames import Frame, ImageLimits
from hearth_runtime.watch.sources import open_source
from hearth_runtime.watch.video import Recording, Stream
from tests.unit.watch.conftest import scene

LIMITS = ImageLimits()
Images = Iterable[NDArray[np.uint8]]


def write_video(
    path: Path,
    images: Images,
    codec: str = "libx264",
    *,
    fps: int = 10,
    times: Iterable[int] | None = None,
    aspect: Fraction = Fraction(1),
    container: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """A video; `times` are presentation times in units of 1/1000 s."""
    with av.open(str(path), "w", options=container or {}) as output:
        output.metadata.update(metadata or {})
        stream: Any = None
        given = None if times is None else iter(times)
        for index, image in enumerate(images):
            if stream is None:
                stream = output.add_stream(codec, rate=fps, options=options)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                stream.codec_context.sample_aspect_ratio = aspect
                if given is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = index if given is None else next(given)
            output.mux(stream.encode(frame))
        if stream is not None:
            output.mux(stream.encode())
    return path


def woven(index: int) -> NDArray[np.uint8]:
    """An interlaced image: the even lines are 50 ms older than the odd ones."""
    image = scene(index * 4)
    image[1::2] = scene(index * 4 + 2)[1::2]
    return image


def noisy(index: int) -> NDArray[np.uint8]:
    """A scene of which a compressed frame is not small."""
    noise = np.random.default_rng(index).integers(0, 60, (240, 320, 3), dtype=np.uint8)
    return scene(index) // 2 + noise


def read(path: Path, limits: ImageLimits = LIMITS) -> tuple[list[Frame], list[str]]:
    said: list[str] = []
    frames = list(open_source(str(path), limits, said.append).frames(lambda at: True))
    return frames, said


def combing(image: NDArray[np.uint8]) -> float:
    """Mean difference between a line and the next but one, over that to the next."""
    rows = image.astype(int).sum(axis=2)
    return float(np.abs(rows[1:-1] - rows[:-2]).mean())


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("clip.mp4", "libx264", {"x264-params": "tff=1"}),
        ("clip.ts", "libx264", {"x264-params": "tff=1"}),
        ("clip.mpg", "mpeg2video", {}),
    ],
)
def test_interlaced_video_is_deinterlaced(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = write_video(
        tmp_path / name, map(woven, range(20)), codec, fps=25, flags="+ilme+ildct", **options
    )
    frames, said = read(path)
    assert len(frames) == 20
    assert said == []
    for index, frame in enumerate(frames[1:-1], 1):
        assert frame.image is not None
        assert combing(frame.image) < combing(woven(index)) / 4
        assert frame.captured_at == pytest.approx(index * 40_000, abs=1000)


@pytest.mark.parametrize(("name", "codec"), [("clip.h264", "libx264"), ("clip.h265", "libx265")])
def test_a_raw_stream_of_a_raspberry_pi_is_timed_by_its_frame_rate(
    tmp_path: Path, name: str, codec: str
) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    frames, said = read(write_video(tmp_path / name, map(scene, range(30)), codec, **options))
    assert [frame.captured_at for frame in frames] == [i * 100_000 for i in range(30)]
    assert said == [f"{tmp_path / name} holds no times: 10 frames a second are assumed"]


def test_a_file_of_motion_jpeg_is_timed_by_the_usual_rate(tmp_path: Path) -> None:
    frames, said = read(write_video(tmp_path / "clip.mjpeg", map(scene, range(30)), "mjpeg"))
    assert [frame.captured_at for frame in frames] == [i * 40_000 for i in range(30)]
    assert "25 frames a second are assumed" in said[0]


def test_times_that_start_again_are_followed(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / f"{n}.ts", map(scene, range(20)), tune="zerolatency").read_bytes()
        for n in range(2)
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    frames, _ = read(tmp_path / "both.ts")
    times = [frame.captured_at for frame in frames]
    assert len(times) == 40
    assert times == pytest.approx([i * 100_000 for i in range(40)], abs=50_000)


def test_a_pause_in_a_recording_is_kept(tmp_path: Path) -> None:
    times = [i * 100 + (3_600_000 if i >= 10 else 0) for i in range(20)]
    path = write_video(tmp_path / "clip.mkv", map(scene, range(20)), times=times, bf="0")
    frames, _ = read(path)
    assert frames[-1].captured_at == pytest.approx(3_601_900_000, abs=2000)


@pytest.mark.parametrize(
    ("size", "aspect", "shape"),
    [
        ((480, 540), Fraction(2), (540, 960)),
        ((352, 576), Fraction(24, 11), (576, 768)),
        ((320, 240), Fraction(1, 2), (480, 320)),
        ((640, 720), Fraction(1), (720, 1280)),  # "720N", as recorders that do not say so write it
        ((320, 240), Fraction(1), (240, 320)),
    ],
)
def test_pixels_that_are_not_square_are_squared(
    tmp_path: Path, size: tuple[int, int], aspect: Fraction, shape: tuple[int, int]
) -> None:
    images = (scene(i, *size) for i in range(3))
    frames, _ = read(write_video(tmp_path / "clip.mp4", images, aspect=aspect))
    assert {frame.image.shape[:2] for frame in frames if frame.image is not None} == {shape}


def test_a_video_is_turned_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.set_display_rotation(90)  # a quarter turn against the clock
        image = np.zeros((240, 320, 3), np.uint8)
        image[:60] = 255
        for _ in range(3):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        output.mux(stream.encode())
    frames, _ = read(path)
    turned = frames[0].image
    assert turned is not None
    assert turned.shape == (320, 240, 3)
    assert turned[:, :50].mean() > 200 > 50 > turned[:, 80:].mean()


@pytest.mark.parametrize(
    ("name", "codec"), [("clip.mkv", "mpeg4"), ("clip.ts", "libx264"), ("clip.mp4", "libx264")]
)
def test_damage_in_the_middle_is_skipped_and_counted(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, map(noisy, range(60)), codec, g="10")
    data = bytearray(path.read_bytes())
    begin = len(data) // 3
    data[begin : begin + len(data) // 10] = bytes(len(data) // 10)
    path.write_bytes(data)
    said: list[str] = []
    source = open_source(str(path), LIMITS, said.append)
    frames = list(source.frames(lambda at: True))
    assert 30 <= len(frames) < 60
    assert frames[-1].captured_at > 5_500_000
    assert "damaged" in " ".join(said)
    assert source.damaged > 0 or str(len(frames)) in said[0]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"creation_time": "2024-05-01T10:00:00.000000Z"}, "2024-05-01T10:00:00+00:00"),
        ({"creation_time": "2024-05-01T12:00:00+02:00"}, "2024-05-01T10:00:00+00:00"),
    ],
)
def test_a_recordings_own_time_counts(
    tmp_path: Path, metadata: dict[str, str], expected: str
) -> None:
    path = write_video(tmp_path / "clip.mp4", map(scene, range(3)), metadata=metadata)
    source = open_source(str(path), LIMITS, lambda message: None)
    assert source.time_source == "creation_time"
    assert source.started_at == datetime.fromisoformat(expected).timestamp() * 1_000_000


@pytest.mark.parametrize("stated", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon", None])
def test_a_time_that_cannot_be_is_not_believed(tmp_path: Path, stated: str | None) -> None:
    metadata = {} if stated is None else {"creation_time": stated}
    path = write_video(tmp_path / "clip.mkv", map(scene, range(3)), metadata=metadata)
    changed = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    os.utime(path, (changed, changed))
    source = open_source(str(path), LIMITS, lambda message: None)
    assert (source.time_source, source.started_at) == ("file", changed * 1_000_000)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000)
        silence = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with pytest.raises(SourceError, match="sound but no video"):
        read(path)


def test_a_video_of_no_frame_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.mkv"), "w") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        output.start_encoding()
    with pytest.raises(SourceError, match="it holds no frame"):
        read(tmp_path / "clip.mkv")


def test_a_video_of_one_frame_gives_it(tmp_path: Path) -> None:
    frames, said = read(write_video(tmp_path / "clip.mp4", [scene(0)]))
    assert ([frame.captured_at for frame in frames], said) == ([0], [])


def test_240_frames_a_second_are_sampled_by_their_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", map(scene, range(240)), fps=240, preset="ultrafast")
    source = open_source(str(path), LIMITS, lambda message: None)
    frames = list(source.frames(lambda at: at % 250_000 < 4_000))
    assert [round(frame.captured_at / 1e6, 2) for frame in frames] == [0, 0.25, 0.5, 0.75]


def test_a_stream_that_grows_beyond_the_limit_is_refused_before_it_takes_memory(
    tmp_path: Path,
) -> None:
    parts = [
        write_video(tmp_path / f"{n}.ts", (scene(i, *size) for i in range(5))).read_bytes()
        for n, size in enumerate([(320, 240), (1280, 960)])
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    frames, said = read(tmp_path / "both.ts", ImageLimits(max_pixels=320 * 240))
    assert {frame.image.shape for frame in frames if frame.image is not None} == {(240, 320, 3)}
    assert "could not be decoded" in said[0]


def test_a_stream_that_changes_its_size_goes_on(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / f"{n}.ts", (scene(i, *size) for i in range(5))).read_bytes()
        for n, size in enumerate([(320, 240), (640, 480)])
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    frames, _ = read(tmp_path / "both.ts")
    shapes = [frame.image.shape[:2] for frame in frames if frame.image is not None]
    assert shapes == [(240, 320)] * 5 + [(480, 640)] * 5


@pytest.mark.parametrize("codec", ["mpeg2video", "libx265"])
def test_a_recording_that_changes_its_codec_goes_on(tmp_path: Path, codec: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    parts = [
        write_video(tmp_path / f"{n}.ts", map(noisy, range(40)), name, fps=25, bf="0", **more)
        for n, (name, more) in enumerate([("libx264", {}), (codec, options)])
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, said = read(tmp_path / "both.ts")
    times = [frame.captured_at for frame in frames]
    assert 76 <= len(times) <= 80  # a decoder keeps its last frames to itself
    assert said == []
    assert times[-1] == pytest.approx(79 * 40_000, abs=200_000)


def test_a_recording_that_numbers_its_streams_anew_goes_on(tmp_path: Path) -> None:
    parts = [
        write_video(
            tmp_path / f"{start}.ts",
            map(scene, range(20)),
            container={"mpegts_start_pid": start},
            tune="zerolatency",
        ).read_bytes()
        for start in ("256", "512")
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    frames, _ = read(tmp_path / "both.ts")
    assert len(frames) == 40


def test_a_video_that_is_damaged_throughout_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", map(noisy, range(20)))
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    noise = np.random.default_rng(1).bytes(len(data))
    data[begin : data.index(b"moov") - 4] = noise[: data.index(b"moov") - 4 - begin]
    path.write_bytes(data)
    said: list[str] = []
    source = open_source(str(path), LIMITS, said.append)
    with pytest.raises(SourceError, match="no frame that can be decoded"):
        list(source.frames(lambda at: True))
    assert source.damaged > 0
    assert "damaged" in said[0]


def test_a_recording_that_is_closed_ends(tmp_path: Path) -> None:
    source = open_source(
        str(write_video(tmp_path / "clip.mp4", map(scene, range(30)))), LIMITS, print
    )
    frames = source.frames(lambda at: True)
    next(frames)
    source.close()
    assert len(list(frames)) < 20


def test_a_large_frame_is_shrunk_while_it_is_converted(tmp_path: Path) -> None:
    images = [scene(i, 640, 360) for i in range(3)]
    frames, _ = read(write_video(tmp_path / "clip.mp4", images), ImageLimits(max_side=320))
    image = frames[0].image
    assert image is not None
    assert image.shape == (180, 320, 3)
    expected = cv2.resize(images[0], (320, 180), interpolation=cv2.INTER_AREA)
    assert float(np.abs(image.astype(int) - expected).mean()) < 4


def test_a_codec_that_is_not_known_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", map(scene, range(3)))
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/AVC"))
    with pytest.raises(SourceError, match="codec that is not known"):
        read(path)


def test_a_live_stream_whose_codec_changes_is_opened_again(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / f"{codec}.ts", map(noisy, range(60)), codec, bf="0").read_bytes()
        for codec in ("libx264", "mpeg2video")
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    stream = Stream(str(tmp_path / "both.ts"), "the camera", LIMITS, lambda message: None, 5.0)
    with pytest.raises(SourceLost, match="decoded as h264; its codec may have changed"):
        list(stream.frames(lambda at: True))


def test_a_playlist_in_a_file_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "clip.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/1.ts\n#EXT-X-ENDLIST\n"
    )
    began = time.monotonic()
    with pytest.raises(SourceError):
        read(tmp_path / "clip.m3u8")
    assert time.monotonic() - began < 5


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "clip.mp4", [scene(0)]).rename(tmp_path / "12:30 gate.mp4")
    monkeypatch.chdir(tmp_path)
    source = open_source("12:30 gate.mp4", LIMITS, lambda message: None)
    assert isinstance(source, Recording)
    assert math.isclose(len(list(source.frames(lambda at: True))), 1)
