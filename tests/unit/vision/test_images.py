from __future__ import annotations

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from hearth.errors import HearthError, InvalidInput, TooLarge
from hearth_vision.images import ImageLimits, decode_image, encode_jpeg

LIMITS = ImageLimits(max_bytes=2_000_000, max_pixels=1_000_000)


def scene(height: int = 48, width: int = 80) -> np.ndarray:
    """A smooth BGR picture whose corners differ, so that a turned or swapped one shows."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = 255 * columns // width
    image[..., 1] = 255 * rows // height
    image[..., 2] = 64
    return image


def encoded(picture: Image.Image, format_: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_, **options)
    return buffer.getvalue()


def as_pillow(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., ::-1].copy())


JPEG = encode_jpeg(scene(), 90)


def test_an_empty_file_is_rejected() -> None:
    with pytest.raises(InvalidInput, match=r"empty \(0 bytes\)"):
        decode_image(b"", LIMITS)


@pytest.mark.parametrize(
    ("format_", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 6),
        ("JPEG", {"quality": 95, "progressive": True}, 6),
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("GIF", {}, 30),
    ],
)
def test_every_format_gives_upright_bgr(
    format_: str, options: dict[str, object], tolerance: int
) -> None:
    found = decode_image(encoded(as_pillow(scene()), format_, **options), LIMITS)
    assert found.dtype == np.uint8
    assert found.flags["C_CONTIGUOUS"]
    assert np.abs(found.astype(int) - scene()).max() <= tolerance


@pytest.mark.parametrize(
    ("mode", "format_", "pixel", "bgr"),
    [
        ("1", "PNG", 1, (255, 255, 255)),
        ("L", "PNG", 90, (90, 90, 90)),
        ("L", "JPEG", 90, (90, 90, 90)),
        ("LA", "PNG", (90, 255), (90, 90, 90)),
        ("P", "GIF", 0, (0, 0, 0)),
        ("I;16", "PNG", 90 * 257, (90, 90, 90)),
        ("RGBA", "PNG", (10, 20, 30, 255), (30, 20, 10)),
        ("RGBA", "PNG", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", "WEBP", (10, 20, 30, 255), (30, 20, 10)),
        ("CMYK", "JPEG", (0, 255, 255, 0), (0, 0, 255)),
        ("CMYK", "JPEG", (0, 0, 0, 255), (0, 0, 0)),
        ("RGB", "JPEG", (200, 30, 30), (30, 30, 200)),
    ],
)
def test_every_colour_mode_becomes_bgr(
    mode: str, format_: str, pixel: object, bgr: tuple[int, int, int]
) -> None:
    picture = Image.new(mode, (16, 16), pixel)  # type: ignore[arg-type]
    options = {"lossless": True} if format_ == "WEBP" else {}
    found = decode_image(encoded(picture, format_, **options), LIMITS)
    assert found.shape == (16, 16, 3)
    assert np.abs(found.astype(int) - np.array(bgr)).max() <= 4


def test_a_palette_with_a_transparent_colour_is_laid_on_white() -> None:
    picture = Image.new("P", (8, 8), 0)
    picture.putpalette([200, 0, 0] + [0] * 765)
    found = decode_image(encoded(picture, "PNG", transparency=0), LIMITS)
    assert (found == 255).all()


def test_sixteen_bit_colour_is_cut_to_eight() -> None:
    deep = np.full((8, 8, 3), 90 * 257, np.uint16)
    ok, data = cv2.imencode(".png", deep)
    assert ok
    assert (decode_image(data.tobytes(), LIMITS) == 90).all()


def test_the_first_image_of_an_animation_is_decoded() -> None:
    first, second = Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 200)
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    assert (decode_image(data, LIMITS) == 10).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_the_cameras_rotation_is_undone(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = as_pillow(scene())
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = encoded(picture, format_, exif=exif.tobytes(), **options)
    # Pillow's own transposition is the judge.
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))[..., ::-1]
    found = decode_image(data, LIMITS)
    assert found.shape == expected.shape
    assert found.flags["C_CONTIGUOUS"]
    assert np.abs(found.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_jpeg_is_rejected_not_painted_grey(share: float) -> None:
    with pytest.raises(InvalidInput):
        decode_image(JPEG[: int(len(JPEG) * share)], LIMITS)


def test_a_jpeg_that_lacks_only_its_end_is_rejected() -> None:
    with pytest.raises(InvalidInput, match="end-of-image marker"):
        decode_image(JPEG[:-2], LIMITS)


def test_a_thumbnail_inside_does_not_pass_for_the_end() -> None:
    exif = Image.Exif()
    exif[0x010E] = JPEG[-40:].decode("latin-1")  # ends with an end-of-image marker
    data = encoded(as_pillow(scene()), "JPEG", exif=exif.tobytes())
    assert decode_image(data, LIMITS).shape == (48, 80, 3)
    with pytest.raises(InvalidInput):
        decode_image(data[: len(data) * 3 // 4], LIMITS)


@pytest.mark.parametrize("format_", ["PNG", "GIF", "WEBP", "BMP"])
def test_other_formats_cut_short_are_rejected(format_: str) -> None:
    data = encoded(as_pillow(scene(200, 200)), format_)
    with pytest.raises(InvalidInput):
        decode_image(data[: len(data) // 2], LIMITS)


@pytest.mark.parametrize(
    "data",
    [b"\x00", b"not a picture", b"\xff\xd8\xff", b"%PDF-1.7\n", b"<svg/>", b"\x89PNG\r\n\x1a\n"],
)
def test_data_that_is_not_an_image_is_rejected(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="cannot be decoded"):
        decode_image(data, LIMITS)


def test_too_many_bytes_are_rejected_without_reading_them() -> None:
    with pytest.raises(TooLarge, match="has 2000001 bytes; at most 2000000"):
        decode_image(b"\xff" * 2_000_001, LIMITS)


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [1_001, 10_000, 13_000, 65_000])
def test_too_many_pixels_are_rejected_by_the_header(side: int) -> None:
    with pytest.raises(TooLarge, match="at most 1000000"):
        decode_image(png_header(side, side), LIMITS)


def test_a_hundred_megapixel_jpeg_is_rejected_by_its_header() -> None:
    # The size in the frame header of a small JPEG, overwritten.
    at = JPEG.index(b"\xff\xc0") + 5
    data = JPEG[:at] + struct.pack(">HH", 10_000, 10_000) + JPEG[at + 4 :]
    with pytest.raises(TooLarge, match="10000 x 10000 pixels"):
        decode_image(data, ImageLimits())


def test_pillows_own_limit_is_unchanged() -> None:
    before = Image.MAX_IMAGE_PIXELS
    decode_image(JPEG, ImageLimits(max_pixels=10**9))
    assert before == Image.MAX_IMAGE_PIXELS


@settings(deadline=None, max_examples=300)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(JPEG) - 1), st.integers(0, 255)), min_size=1, max_size=12
    ),
    end=st.integers(0, len(JPEG)),
    cut=st.booleans(),
)
def test_damaged_jpegs_decode_or_raise_a_hearth_error(
    edits: list[tuple[int, int]], end: int, cut: bool
) -> None:
    damaged = bytearray(JPEG)
    for position, value in edits:
        damaged[position] = value
    with contextlib.suppress(HearthError):
        found = decode_image(bytes(damaged[:end] if cut else damaged), LIMITS)
        assert found.ndim == 3
        assert found.shape[2] == 3


@settings(deadline=None, max_examples=150)
@given(
    format_=st.sampled_from(["PNG", "GIF", "WEBP", "BMP"]),
    edits=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_images_of_other_formats_decode_or_raise_a_hearth_error(
    format_: str, edits: list[tuple[float, int]]
) -> None:
    damaged = bytearray(encoded(as_pillow(scene()), format_))
    for position, value in edits:
        damaged[int(position * len(damaged))] = value
    with contextlib.suppress(HearthError):
        assert decode_image(bytes(damaged), LIMITS).shape[2] == 3


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_decode_or_raise_a_hearth_error(data: bytes) -> None:
    with contextlib.suppress(HearthError):
        decode_image(data, LIMITS)


def test_the_same_pixels_give_the_same_bytes_and_come_back() -> None:
    assert encode_jpeg(scene(), 90) == JPEG
    assert np.abs(decode_image(JPEG, LIMITS).astype(int) - scene()).max() <= 8
    assert len(encode_jpeg(scene(), 30)) < len(JPEG)


def test_a_view_that_is_not_contiguous_is_encoded() -> None:
    assert decode_image(encode_jpeg(scene()[:, ::2]), LIMITS).shape == (48, 40, 3)


@pytest.mark.parametrize(
    ("image", "quality", "message"),
    [
        (np.zeros((0, 4, 3), np.uint8), 90, r"shape \(0, 4, 3\)"),
        (np.zeros((4, 4), np.uint8), 90, r"\(H, W, 3\)"),
        (np.zeros((4, 4, 3), np.float32), 90, "float32"),
        (np.zeros((1, 65_501, 3), np.uint8), 90, "65500"),
        (np.zeros((4, 4, 3), np.uint8), 0, "quality"),
    ],
)
def test_arrays_that_cannot_be_a_jpeg_are_rejected(
    image: np.ndarray, quality: int, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        encode_jpeg(image, quality)
