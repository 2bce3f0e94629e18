"""Sources made of images in files: one image, a folder of them, an animated GIF."""

from __future__ import annotations

import contextlib
import io
import mmap
import re
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from hearth_runtime.watch.errors import SourceError
from hearth_runtime.watch.frames import Frame, Image, ImageLimits, Wanted, Warn

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".webp", ".avif"),
        *(".tif", ".tiff", ".ppm"),
    }
)
# Only these are looked for: Pillow would also "open" the first bytes of some videos.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM")
_ANIMATED = frozenset({"GIF", "WEBP", "PNG"})
_HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_HEIC_REMEDY = (
    "Save them as JPEG: on an iPhone Settings, Camera, Formats, Most Compatible; on Linux "
    "`heif-convert`."
)
# A phone's JPEG with a second image inside opens as MPO.
_JPEG = frozenset({"JPEG", "MPO"})
_END_AND_START = b"\xff\xd9\xff\xd8"  # of an image, and of the next
# What Pillow raises on broken files, by its own documentation and by experience with fuzzed ones.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error)

STILL_STEP_US = 200_000  # between images that carry no time of their own: five a second
_DEFAULT_DELAY_US = 100_000  # browsers show a GIF frame without a duration for 100 ms


def probe(path: Path) -> str | None:
    """`animation`, `image`, or None when the file is not an image that Pillow knows, or many.

    Raises:
        SourceError: It is HEIC.
    """
    try:
        with _open(path) as opened:
            if opened.format == "JPEG" and _is_motion_jpeg(path):
                return None
            animated = opened.format in _ANIMATED and getattr(opened, "is_animated", False)
    except (*_BROKEN, Pillow.DecompressionBombError):
        with path.open("rb") as file:
            if _is_heic(file.read(12)):
                # FFmpeg would open it as a film of one tile: phones store images in tiles.
                raise SourceError(
                    f"{path} is a HEIC image, which is not read.", _HEIC_REMEDY
                ) from None
        return "image" if path.suffix.lower() in SUFFIXES else None
    return "animation" if animated else "image"


def _is_heic(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS


def _is_motion_jpeg(path: Path) -> bool:
    """Whether JPEGs stand one behind the other, as in a file of Motion JPEG."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(_END_AND_START) >= 0


def file_time(path: Path) -> int:
    """When a file was last changed: microseconds since 1970, UTC."""
    return path.stat().st_mtime_ns // 1000


class ImageFiles:
    """Images, each in a file of its own, in the order of their names.

    With `step_us` they are that far apart, from the time of the oldest; without, each was taken
    when its file was last changed, but at least 200 ms after the one before.
    """

    live = False
    still = True
    time_source = "file"
    damaged = 0

    def __init__(self, paths: list[Path], limits: ImageLimits, step_us: int | None = None) -> None:
        self._paths = paths
        self._limits = limits
        self._step = step_us
        self._times = [file_time(path) for path in paths]
        self.started_at = min(self._times)
        self.total = len(paths)

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        last = 0
        for index, path in enumerate(self._paths):
            if self._step is not None:
                last = index * self._step
            else:
                earliest = last + STILL_STEP_US if index else 0
                last = max(earliest, self._times[index] - self.started_at)
            if wanted(last):
                yield read_image(path, self._limits, index, last)

    def close(self) -> None:
        """Nothing is held between images."""


def folder(path: Path, limits: ImageLimits, warn: Warn, step_us: int | None) -> ImageFiles:
    """The images of a folder; numbers in names count as numbers (`frame2` before `frame10`).

    Raises:
        SourceError: The folder holds no image.
    """
    files = sorted((p for p in path.iterdir() if p.is_file()), key=lambda p: _natural(p.name))
    images = [p for p in files if p.suffix.lower() in SUFFIXES]
    heic = [p.name for p in files if p.suffix.lower() in _HEIC_SUFFIXES]
    if heic:
        message = f"{len(heic)} files in {path} are HEIC images, which are not read"
        if not images:
            raise SourceError(f"{message}.", _HEIC_REMEDY)
        warn(f"{message}: {_some(heic)}. {_HEIC_REMEDY}")
    if not images:
        raise SourceError(
            f"The folder {path} holds no image.",
            f"Put images there ({' '.join(sorted(SUFFIXES))}); folders within are not read.",
        )
    others = [p.name for p in files if p.suffix.lower() not in SUFFIXES | _HEIC_SUFFIXES]
    if others:
        warn(f"{len(others)} files in {path} are no images and are left out: {_some(others)}")
    return ImageFiles(images, limits, step_us)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


class Animation:
    """An animated GIF, WebP or PNG; each frame lasts as long as the file says."""

    live = False
    still = False
    time_source = "file"
    damaged = 0

    def __init__(self, path: Path, limits: ImageLimits, warn: Warn) -> None:
        self._path = path
        self._limits = limits
        self._warn = warn
        self.started_at = file_time(path)
        self.total: int | None = None
        try:
            with _open(path) as opened:
                width, height = opened.size
                self.total = getattr(opened, "n_frames", None)
        except _BROKEN as error:
            raise SourceError(f"{path} cannot be read: {error}.") from None
        if width * height > limits.max_pixels:
            raise SourceError(
                f"{path} has {width}x{height} pixels; the limit is {limits.max_pixels} a frame.",
                "Shrink it, or raise --max-pixels.",
            )

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        at = 0
        index = 0
        with _open(self._path) as opened:
            while True:
                try:
                    opened.seek(index)
                    kept = wanted(at)
                    image = _bgr(opened) if kept else None
                    delay = round(float(opened.info.get("duration") or 0) * 1000)
                except EOFError:
                    return
                except _BROKEN as error:
                    self._warn(
                        f"{self._path} is damaged: {index} of {self.total or '?'} frames could be "
                        f"read ({error})"
                    )
                    return
                if image is not None:
                    yield Frame(index, at, image)
                at += delay or _DEFAULT_DELAY_US
                index += 1

    def close(self) -> None:
        """The file is closed when the pass ends."""


def read_image(path: Path, limits: ImageLimits, index: int, captured_at: int) -> Frame:
    """The image in a file; what cannot be read is handed on as it is, with the reason."""
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            problem = f"{path} has {size} bytes; the limit is {limits.max_bytes}"
            return Frame(index, captured_at, problem=problem)
        data = path.read_bytes()
    except OSError as error:
        return Frame(index, captured_at, problem=f"{path} cannot be read: {error.strerror}")
    frame = decode_image(data, limits, index, captured_at)
    if frame.problem:
        frame.problem = f"{path}: {frame.problem}"
    return frame


def decode_image(data: bytes, limits: ImageLimits, index: int, captured_at: int) -> Frame:
    """A JPEG within the limits untouched, anything else decoded.

    A JPEG is not decoded here: `detection` judges it, and decoding twice would only cost time.
    """
    frame = Frame(index, captured_at, encoded=data)
    if not data:
        frame.problem = "the image is empty (0 bytes)"
        return frame
    try:
        with _quiet(), _open(io.BytesIO(data)) as opened:
            width, height = opened.size
            if opened.format in _JPEG and max(width, height) <= limits.max_side:
                return frame
            if width * height > limits.max_pixels:
                frame.problem = (
                    f"{width}x{height} pixels are more than the limit of {limits.max_pixels}"
                )
                return frame
            return Frame(index, captured_at, _bgr(ImageOps.exif_transpose(opened)))
    except (*_BROKEN, Pillow.DecompressionBombError) as error:
        # Pillow's own message names a BytesIO object here, which is of no use to a person.
        cause = "" if isinstance(error, UnidentifiedImageError) else f" ({error})"
        if _is_heic(data):
            cause = f": it is HEIC. {_HEIC_REMEDY.rstrip('.')}"
        frame.problem = f"not a readable image{cause}"
        return frame


def _open(source: Path | io.BytesIO) -> Pillow.Image:
    with _quiet():
        return Pillow.open(source, formats=_FORMATS)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Pillow's warnings, which go to stderr: sizes are checked against our own limits, and
    what is odd in an image's metadata does not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _bgr(opened: Pillow.Image) -> Image:
    """(H, W, 3) uint8 BGR of an image of any mode."""
    if opened.mode.startswith("I;16"):
        # convert() would clip 16 bits at 255: an image all white.
        grey = (np.asarray(opened) >> 8).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    rgb = np.asarray(opened.convert("RGB"), dtype=np.uint8)
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", name.casefold())
    # The text breaks ties between equal numbers ("1" and "01"), so that the order is total.
    return [(int(part) if i % 2 else -1, part) for i, part in enumerate(parts)]
