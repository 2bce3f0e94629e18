"""What a source hands on, and how it becomes the JPEG that is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth_runtime.watch.errors import SourceError

Image = NDArray[np.uint8]
Region = tuple[float, float, float, float]
"""left, top, right, bottom, as fractions of width and height."""
WHOLE: Final[Region] = (0.0, 0.0, 1.0, 1.0)
Wanted = Callable[[int], bool]
Warn = Callable[[str], None]


@dataclass(slots=True)
class Frame:
    """One image of a source.

    Attributes:
        index: Counts from 0 over everything the source held, sampled or not.
        captured_at: Microseconds: since 1970 (UTC) from a live source, since its own beginning from
            a source that ends.
        image: (H, W, 3) uint8 BGR, of a video already within the limits, or None where `encoded` is
            passed on untouched.
        encoded: The source's own bytes: a JPEG within the limits, or an image that cannot be
            read here and is stored as it is, so that `detection` refuses it for all to see.
        problem: Why the image cannot be read, where it cannot.
        elapsed: Microseconds of a monotonic clock, of a live source: rate and motion go by it, so
            that a clock that is set neither blinds a camera nor floods from it.
    """

    index: int
    captured_at: int
    image: Image | None = None
    encoded: bytes | None = None
    problem: str | None = None
    elapsed: int | None = None


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Bounds on what is read and what is stored.

    Attributes:
        max_side: Longer side of a stored image in pixels; larger ones are shrunk, none is grown.
        max_pixels: Larger images are not decoded here.
        max_bytes: Larger files and stream parts are not read into memory.
        quality: JPEG quality, 1 to 100.
    """

    max_side: int = 1280
    max_pixels: int = 50_000_000
    max_bytes: int = 32 * 1024 * 1024
    quality: int = 85


class Source(Protocol):
    """Where frames come from."""

    @property
    def live(self) -> bool:
        """Whether it goes on for ever, in wall-clock time."""

    @property
    def still(self) -> bool:
        """Whether its images stand each for itself: none is sampled away or held to be still."""

    @property
    def started_at(self) -> int:
        """Capture time of a source that ends: microseconds since 1970, UTC; 0 for a live one."""

    @property
    def time_source(self) -> str:
        """Where capture times come from, as `WatchSummary` has it."""

    @property
    def total(self) -> int | None:
        """How many images one pass holds, where that is known."""

    @property
    def damaged(self) -> int:
        """Frames of a video that could not be decoded or converted so far; left out."""

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        """One pass; `wanted` is asked before an image is converted.

        It is given the frame's `elapsed` by a live source, else its `captured_at`.

        Raises:
            SourceError: The source cannot be read.
            SourceLost: A live source went away.
        """

    def close(self) -> None:
        """Let go of what is held; ends a blocked read where that is possible."""


def encode(image: Image, limits: ImageLimits) -> bytes:
    """JPEG of an image, shrunk to `limits.max_side`; deterministic for one OpenCV build.

    Raises:
        SourceError: OpenCV cannot encode the image.
    """
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest > limits.max_side:
        scale = limits.max_side / longest
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cast(Image, cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, limits.quality])
    if not done:
        raise SourceError(f"An image of {width}x{height} pixels cannot be encoded as JPEG.")
    encoded: bytes = data.tobytes()
    return encoded


def grey_thumbnail(frame: Frame, part: Region = WHOLE) -> Image | None:
    """A small grey version of a part for comparing, (h, w) uint8; None where it cannot be read."""
    grey: Any
    if frame.image is not None:
        grey = cv2.cvtColor(cut(frame.image, part), cv2.COLOR_BGR2GRAY)
    else:
        data = np.frombuffer(frame.encoded or b"", np.uint8)
        # An eighth of the size costs a fraction of a full decode.
        grey = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_8) if data.size else None
        if grey is None:
            return None
        grey = cut(grey, part)
    height, width = grey.shape
    scale = min(1.0, _THUMBNAIL_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Any = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return cast(Image, small)


def cut(image: Any, part: Region) -> Any:
    """A view of a part of an array (H, W, ...), one pixel at least."""
    height, width = image.shape[:2]
    left, top, right, bottom = part
    x, y = min(int(left * width), width - 1), min(int(top * height), height - 1)
    return image[y : max(y + 1, ceil(bottom * height)), x : max(x + 1, ceil(right * width))]


_THUMBNAIL_WIDTH = 240
