"""Opens a source and takes one image, to see whether it can be watched."""

from __future__ import annotations

import io
import time
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image as Pillow

from hearth_runtime.watch.addresses import public_source
from hearth_runtime.watch.errors import SourceError, SourceLost
from hearth_runtime.watch.frames import Frame, ImageLimits
from hearth_runtime.watch.sources import open_source
from hearth_runtime.watch.video import Recording, Stream

_UNSHRUNK = ImageLimits(max_side=65_535)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a source showed.

    Attributes:
        source: Its address without user name, password and query.
        live: Whether it goes on for ever.
        width: Pixels.
        height: Pixels.
        codec: Of a video, as FFmpeg calls it, or the format of an image.
        fps: Frames a second as the source announces them; None where it does not.
        seconds: From opening to the first image.
    """

    source: str
    live: bool
    width: int
    height: int
    codec: str | None
    fps: float | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def probe_source(source: str, *, stall_s: float = 10.0) -> Probe:
    """Take one image.

    Raises:
        SourceError: The source cannot be opened, or shows nothing that can be decoded.
    """
    began = time.monotonic()
    opened = open_source(source, _UNSHRUNK, lambda message: None, stall_s=stall_s)
    frames = iter(opened.frames(lambda captured_at: True))
    try:
        frame = next(frames, None)
    except SourceLost as error:
        raise SourceError(f"{error.message}.", "Check that it is switched on.") from None
    finally:
        opened.close()
        close = getattr(frames, "close", None)
        if close is not None:
            close()
    if frame is None:
        raise SourceError(f"{public_source(source)} shows no image.")
    if frame.problem is not None:
        raise SourceError(f"{frame.problem}.")
    width, height, codec = _size(frame)
    fps = None
    if isinstance(opened, Recording | Stream):
        codec, fps = opened.codec, opened.fps
    return Probe(
        source=public_source(source),
        live=opened.live,
        width=width,
        height=height,
        codec=codec,
        fps=fps,
        seconds=round(time.monotonic() - began, 2),
    )


def _size(frame: Frame) -> tuple[int, int, str | None]:
    if frame.image is not None:
        height, width = frame.image.shape[:2]
        return width, height, None
    with Pillow.open(io.BytesIO(frame.encoded or b"")) as image:
        return image.width, image.height, image.format
