"""Images to calibrate on and compare with: a folder, a video, or what the cameras delivered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from hearth.errors import HearthError, InvalidInput, NotFound
from hearth.frames import FRAMES_PREFIX, FrameKind, parse_frame_key
from hearth.storage import ObjectStore
from hearth_vision.images import Bgr, ImageLimits, decode_image

IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp"})
VIDEOS: Final = frozenset({".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v"})
MAX_LISTED: Final = 200_000
BLOCKS: Final = 10
DEFAULT_FPS: Final = 25


@dataclass(frozen=True, slots=True)
class Frames:
    """Images in the order of their capture, and where they came from.

    Attributes:
        images: Each (H, W, 3) uint8, BGR.
        source: For people.
        skipped: How many could not be decoded.
    """

    images: list[Bgr]
    source: str
    skipped: int = 0

    def split(self) -> tuple[list[Bgr], list[Bgr]]:
        """Frames for calibration, and held-out ones.

        Neighbouring frames are nearly the same image, so every other tenth of the time is held
        out rather than every other frame.
        """
        calibration: list[Bgr] = []
        held_out: list[Bgr] = []
        count = len(self.images)
        for block in range(BLOCKS):
            part = self.images[count * block // BLOCKS : count * (block + 1) // BLOCKS]
            (held_out if block % 2 else calibration).extend(part)
        return calibration, held_out


def evenly(count: int, limit: int) -> list[int]:
    """At most `limit` of `count` positions, evenly spaced."""
    positions: list[int] = np.linspace(0, count - 1, min(count, limit)).astype(int).tolist()
    return positions


def from_path(path: Path, limit: int) -> Frames:
    """Frames of a folder (images, GIFs and videos, by name), or of one file.

    Raises:
        NotFound: There is no such path.
        InvalidInput: It holds no image that can be read.
    """
    if not path.exists():
        raise NotFound(f"{path} does not exist; name a folder of images or a video with --frames")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    clips = [file for file in files if file.suffix.lower() in VIDEOS | {".gif"}]
    found: list[Bgr] = []
    skipped = 0
    share = max(1, limit // (len(clips) + bool(images) or 1))
    for clip in clips:
        found += _gif(clip, share) if clip.suffix.lower() == ".gif" else _video(clip, share)
    for index in evenly(len(images), max(share, limit - len(found))) if images else []:
        try:
            found.append(decode_image(images[index].read_bytes(), ImageLimits()))
        except (HearthError, OSError):
            skipped += 1
    if not found:
        raise InvalidInput(
            f"{path} holds no image that can be read"
            + (f" ({skipped} could not be decoded)" if skipped else "")
            + "; name a folder of JPEG or PNG files, a GIF or a video"
        )
    return Frames(found, str(path), skipped)


def _gif(path: Path, limit: int) -> Iterator[Bgr]:
    try:
        with Image.open(path) as clip:
            wanted = set(evenly(getattr(clip, "n_frames", 1), limit))
            for index, frame in enumerate(ImageSequence.Iterator(clip)):
                if index in wanted:
                    yield np.ascontiguousarray(np.asarray(frame.convert("RGB"))[..., ::-1])
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read as a GIF") from error


def _video(path: Path, limit: int) -> Iterator[Bgr]:
    import av  # not in the images of functions, which read no video

    given = 0
    try:
        with av.open(str(path), metadata_errors="replace") as clip:
            stream = clip.streams.video[0]
            rate = stream.average_rate or DEFAULT_FPS
            wanted = set(evenly(stream.frames or round((clip.duration or 0) * rate / 10**6), limit))
            for index, frame in enumerate(clip.decode(stream)):
                if index in wanted:
                    yield cast(Bgr, frame.to_ndarray(format="bgr24"))
                    given += 1
    except (av.FFmpegError, ValueError, LookupError) as error:
        if not given:  # of a damaged video what comes before the damage is enough
            raise InvalidInput(f"{path} cannot be read as a video") from error


def from_bucket(store: ObjectStore, where: str, limit: int) -> Frames:
    """Frames that the cameras delivered, evenly over all that are there.

    Raises:
        NotFound: There are none.
        Unavailable: The bucket does not answer.
    """
    keys = list(_frame_keys(store.list(FRAMES_PREFIX)))
    found: list[Bgr] = []
    skipped = 0
    for index in evenly(len(keys), limit) if keys else []:
        try:
            found.append(decode_image(store.get(keys[index], 20_000_000), ImageLimits()))
        except (InvalidInput, NotFound):
            skipped += 1
    if not found:
        raise NotFound(
            f"{where} holds no frame of a camera that can be read; feed it with `hearth watch`, or "
            f"name images with --frames"
        )
    return Frames(found, f"{len(keys)} frames of the cameras in {where}", skipped)


def _frame_keys(listed: Iterable[Any]) -> Iterator[str]:
    for number, item in enumerate(listed):
        if number == MAX_LISTED:
            return
        try:
            if parse_frame_key(item.key).kind is FrameKind.FRAME:
                yield item.key
        except InvalidInput:
            continue
