"""Images from bytes and back, with limits that are checked before a pixel is decoded."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hearth.errors import HearthError, InvalidInput, TooLarge

Bgr = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")
"""Read from the file's first bytes, never from its name."""

_EXIF_ORIENTATION = 0x0112
_JPEG_MAX_SIDE = 65_500


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is admitted. Both are checked against the header, before decoding.

    Attributes:
        max_bytes: Size of the encoded image, bytes.
        max_pixels: Width times height.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 40_000_000


def decode_image(data: bytes, limits: ImageLimits) -> Bgr:
    """Decode the first image of an encoded image, upright as its EXIF orientation says.

    Every colour mode ends as BGR: 16 bits are cut to 8, transparency is laid on white.

    Returns:
        (H, W, 3) uint8, BGR, contiguous.

    Raises:
        InvalidInput: Empty, not an image of a known format, corrupt or truncated.
        TooLarge: More bytes or pixels than `limits` admits.
    """
    if not data:
        raise InvalidInput("the image is empty (0 bytes); send a JPEG, PNG, GIF, WebP or BMP")
    if len(data) > limits.max_bytes:
        raise TooLarge(f"the image has {len(data)} bytes; at most {limits.max_bytes} are accepted")
    with warnings.catch_warnings():
        # Pillow warns of oddities in metadata, and of sizes that we bound ourselves.
        warnings.simplefilter("ignore")
        try:
            return _decode(data, limits)
        except HearthError:
            raise
        except (Image.DecompressionBombError, MemoryError) as error:
            raise TooLarge(
                f"the image has too many pixels; at most {limits.max_pixels} are accepted"
            ) from error
        except Exception as error:
            # Pillow's parsers raise a dozen unrelated types on corrupt bytes (OSError,
            # SyntaxError, ValueError, struct.error, KeyError, ...): all mean the same here.
            raise InvalidInput(
                "the image cannot be decoded: it is corrupt, truncated, or no "
                "JPEG, PNG, GIF, WebP or BMP"
            ) from error


def _decode(data: bytes, limits: ImageLimits) -> Bgr:
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > limits.max_pixels:
            raise TooLarge(
                f"the image has {width} x {height} pixels; at most {limits.max_pixels} are accepted"
            )
        orientation = opened.getexif().get(_EXIF_ORIENTATION, 1)
        if opened.format == "JPEG" and opened.mode in ("RGB", "L"):
            bgr: Bgr = _decode_jpeg(data, width, height)
        else:
            bgr = np.asarray(_to_rgb(opened))[:, :, ::-1]
    return _upright(bgr, orientation)


def _decode_jpeg(data: bytes, width: int, height: int) -> Bgr:
    """The common case: two thirds of Pillow's time, but OpenCV paints what is missing grey."""
    if data.rfind(b"\xff\xd9") < data.find(b"\xff\xda"):
        raise InvalidInput("the JPEG is truncated: it has no end-of-image marker")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if bgr is None or bgr.shape != (height, width, 3):
        raise InvalidInput("the JPEG cannot be decoded: its data are corrupt")
    return bgr  # type: ignore[no-any-return]


def _to_rgb(opened: Image.Image) -> Image.Image:
    opened.load()
    if opened.mode.startswith("I"):
        # Sixteen bits a pixel, in a 16- or 32-bit mode: keep the upper eight.
        grey = (np.clip(np.asarray(opened, np.int64), 0, 65_535) >> 8).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if opened.has_transparency_data:
        rgba = opened.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return opened.convert("RGB")


def _upright(bgr: Bgr, orientation: int) -> Bgr:
    """Undo the camera's rotation (EXIF 2.32, tag Orientation, values 1..8)."""
    if orientation in (5, 6, 7, 8):
        bgr = bgr.transpose(1, 0, 2)
    if orientation in (2, 6, 3, 7):
        bgr = bgr[:, ::-1]
    if orientation in (4, 3, 7, 8):
        bgr = bgr[::-1]
    return np.ascontiguousarray(bgr)


def encode_jpeg(image: Bgr, quality: int = 90) -> bytes:
    """Encode as baseline JPEG; the same pixels give the same bytes.

    Args:
        image: (H, W, 3) uint8, BGR.
        quality: 1..100.

    Raises:
        InvalidInput: Not such an array, or a side over 65,500 pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InvalidInput(
            f"an image to encode must be uint8 of shape (H, W, 3), "
            f"not {image.dtype} of shape {image.shape}"
        )
    if max(image.shape[:2]) > _JPEG_MAX_SIDE:
        raise InvalidInput(f"a JPEG's side is at most {_JPEG_MAX_SIDE} pixels, not {image.shape}")
    if not 1 <= quality <= 100:
        raise InvalidInput(f"JPEG quality must lie in 1..100, not {quality}")
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()
