"""Images, folders of images and animations, good and broken."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from hearth_runtime.watch.errors import SourceError
from hearth_runtime.watch.frames import Frame, ImageLimits, encode
from hearth_runtime.watch.image_files import decode_image
from hearth_runtime.watch.sources import open_source

LIMITS = ImageLimits()


def no_warning(message: str) -> None:
    raise AssertionError(message)


def jpeg(width: int = 64, height: int = 48, *, exif: Pillow.Exif | None = None) -> bytes:
    buffer = io.BytesIO()
    colours = np.random.default_rng(7).integers(0, 255, (height, width, 3), np.uint8)
    Pillow.fromarray(colours).save(buffer, "JPEG", **({"exif": exif} if exif else {}))
    return buffer.getvalue()


def all_frames(
    path: Path, warn: Callable[[str], None] = no_warning, **options: float
) -> list[Frame]:
    source = open_source(str(path), LIMITS, warn, **options)
    return list(source.frames(lambda at: True))


def test_a_jpeg_within_the_limits_keeps_its_bytes(tmp_path: Path) -> None:
    data = jpeg()
    (tmp_path / "a.jpg").write_bytes(data)
    [frame] = all_frames(tmp_path / "a.jpg")
    assert (frame.encoded, frame.image, frame.problem) == (data, None, None)


def test_a_jpeg_that_is_too_large_is_shrunk_the_right_way_up() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: taken upright with a phone
    frame = decode_image(jpeg(2000, 1000, exif=exif), LIMITS, 0, 0)
    assert frame.image is not None
    assert frame.image.shape == (2000, 1000, 3)
    with Pillow.open(io.BytesIO(encode(frame.image, LIMITS))) as stored:
        assert stored.size == (640, 1280)


def test_a_folder_takes_jfif_and_avif(tmp_path: Path) -> None:
    (tmp_path / "a.jfif").write_bytes(jpeg())
    Pillow.new("RGB", (64, 48), (200, 30, 40)).save(tmp_path / "b.avif")
    first, second = all_frames(tmp_path)
    assert first.encoded == jpeg()
    assert second.image is not None
    assert second.image.shape == (48, 64, 3)
    assert second.image[0, 0].tolist() == pytest.approx([40, 30, 200], abs=8)


def test_a_heic_image_is_refused_with_the_remedy(tmp_path: Path) -> None:
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
    (tmp_path / "IMG_1.HEIC").write_bytes(heic)
    for path in (tmp_path / "IMG_1.HEIC", tmp_path):
        with pytest.raises(SourceError) as refused:
            all_frames(path)
        assert "HEIC" in refused.value.message
        assert "Save them as JPEG" in refused.value.remedy
    (tmp_path / "a.jpg").write_bytes(jpeg())
    warnings: list[str] = []
    assert len(all_frames(tmp_path, warnings.append)) == 1
    assert warnings[0].startswith(f"1 files in {tmp_path} are HEIC images, which are not read")
    (tmp_path / "b.jpg").write_bytes(heic)  # renamed, not converted
    assert "it is HEIC" in str(all_frames(tmp_path, warnings.append)[1].problem)


def test_a_small_image_is_never_grown() -> None:
    with Pillow.open(io.BytesIO(encode(np.zeros((3, 5, 3), np.uint8), LIMITS))) as stored:
        assert stored.size == (5, 3)


def test_a_very_long_image_keeps_at_least_one_pixel() -> None:
    with Pillow.open(io.BytesIO(encode(np.zeros((1, 5000, 3), np.uint8), LIMITS))) as stored:
        assert stored.size == (1280, 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_every_colour_mode_is_read(mode: str) -> None:
    grey = np.full((10, 20), 200, np.uint8)
    if mode == "I;16":
        image = Pillow.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Pillow.fromarray(np.repeat(grey[:, :, None], 3, 2)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    frame = decode_image(buffer.getvalue(), LIMITS, 0, 0)
    assert frame.problem is None
    assert frame.image is not None
    assert frame.image.shape == (10, 20, 3)
    bright = 255 if mode == "1" else 200
    assert abs(float(frame.image.mean()) - bright) < (60 if mode == "1" else 6)


@pytest.mark.parametrize(
    "data",
    [b"", b"not an image", jpeg()[:3], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"],
    ids=["empty", "text", "cut JPEG", "cut GIF", "cut PNG", "JPEG start"],
)
def test_what_cannot_be_read_is_handed_on_with_the_reason(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad.jpg").write_bytes(data)
    [frame] = all_frames(tmp_path / "bad.jpg")
    assert frame.encoded == data
    assert frame.problem is not None
    assert "bad.jpg" in frame.problem


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"GIF89a", b"BM", b"II*\0"]))
def test_random_bytes_never_raise(data: bytes, start: bytes) -> None:
    frame = decode_image(start + data, LIMITS, 0, 0)
    assert frame.encoded is not None or frame.image is not None


def test_a_hundred_megapixels_are_not_decoded() -> None:
    rows = zlib.compress(bytes(1 + 10_000 // 8) * 10_000, 9)
    data = png(10_000, 10_000, rows)
    assert len(data) < 100_000
    frame = decode_image(data, LIMITS, 0, 0)
    assert frame.image is None
    assert frame.problem is not None
    assert "10000x10000" in frame.problem


def png(width: int, height: int, rows: bytes) -> bytes:
    """A black and white PNG, which compresses to almost nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
        )

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    body = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_file_beyond_the_byte_limit_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(40 * 1024 * 1024)
    [frame] = all_frames(path)
    assert frame.encoded is None
    assert frame.problem is not None
    assert str(LIMITS.max_bytes) in frame.problem


def test_a_folder_is_read_in_the_order_of_numbers_in_names(tmp_path: Path) -> None:
    for name in ("frame10.jpg", "frame2.jpg", "Frame1.JPG"):
        (tmp_path / name).write_bytes(jpeg() + name.encode())
    names = [(frame.encoded or b"").rpartition(b"\xd9")[2] for frame in all_frames(tmp_path)]
    assert names == [b"Frame1.JPG", b"frame2.jpg", b"frame10.jpg"]


def test_pictures_of_a_folder_carry_their_own_times(tmp_path: Path) -> None:
    for name, at in (("a.jpg", 1000), ("b.jpg", 1060), ("c.jpg", 1060), ("d.jpg", 1003)):
        (tmp_path / name).write_bytes(jpeg())
        os.utime(tmp_path / name, (at, at))
    source = open_source(str(tmp_path), LIMITS, no_warning)
    assert source.started_at == 1_000_000_000
    times = [frame.captured_at / 1e6 for frame in source.frames(lambda at: True)]
    assert times == [0, 60, 60.2, 60.4]


def test_pictures_of_a_folder_can_be_paced(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(jpeg())
    times = [frame.captured_at for frame in all_frames(tmp_path, fps=2)]
    assert times == [0, 500_000, 1_000_000]


def test_what_is_no_image_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "notes.txt").write_text("x")
    said: list[str] = []
    assert len(all_frames(tmp_path, said.append)) == 1
    assert "notes.txt" in said[0]


def test_a_image_that_vanishes_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(jpeg())
    source = open_source(str(tmp_path), LIMITS, no_warning)
    (tmp_path / "a.jpg").unlink()
    first, second = source.frames(lambda at: True)
    assert first.problem is not None
    assert second.problem is None


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no image"):
        open_source(str(tmp_path), LIMITS, no_warning)


def test_a_gif_plays_at_its_own_pace(gif: Callable[..., Path]) -> None:
    frames = all_frames(gif([70, 200, 70]))
    assert [frame.captured_at for frame in frames] == [0, 70_000, 270_000]
    assert frames[0].image is not None
    assert frames[0].image.shape == (240, 320, 3)
    # Blue, green, red in this order: the bar of the scene is (60, 180, 220).
    assert abs(frames[0].image[10, 10].astype(int) - (60, 180, 220)).max() < 40


def test_a_gif_without_durations_plays_at_ten_frames_a_second(gif: Callable[..., Path]) -> None:
    frames = all_frames(gif([0, 0, 0]))
    assert [frame.captured_at for frame in frames] == [0, 100_000, 200_000]


def test_a_frame_that_is_not_wanted_is_skipped(gif: Callable[..., Path]) -> None:
    source = open_source(str(gif([100] * 6)), LIMITS, no_warning)
    kept = [frame.index for frame in source.frames(lambda at: at % 200_000 == 0)]
    assert kept == [0, 2, 4]


def test_a_gif_that_was_cut_gives_what_can_be_read_and_says_so(gif: Callable[..., Path]) -> None:
    path = gif([100] * 20)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    frames = all_frames(path, said.append)
    assert 3 < len(frames) < 20
    assert len(said) == 1
    assert "damaged" in said[0]
