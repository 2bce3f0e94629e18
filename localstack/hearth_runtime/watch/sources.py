"""What a person typed after `hearth watch`, opened."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from hearth_runtime.watch import image_files
from hearth_runtime.watch.addresses import missing_path, public_source
from hearth_runtime.watch.errors import SourceError, SourceLost
from hearth_runtime.watch.frames import Frame, ImageLimits, Source, Wanted, Warn
from hearth_runtime.watch.http_camera import HttpCamera
from hearth_runtime.watch.video import Device, Recording, Stream, video_file

_STREAMS = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "udp", "tcp", "srt"})
_WEB = frozenset({"http", "https"})
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
Lost = Callable[[str, float, int], None]
"""Called with the reason, the seconds until the source is opened again, and the attempts so far."""


def open_source(
    source: str,
    limits: ImageLimits,
    warn: Warn,
    *,
    fps: float | None = None,
    stall_s: float = 10.0,
) -> Source:
    """Find out what a source is, and check that it can be read where that needs no waiting.

    Args:
        source: A path, an address or the number of a camera.
        limits: Bounds on what is read.
        warn: Called with one sentence about what is wrong but no reason to stop.
        fps: Images a second where the source has no rate of its own; None for its own times.
        stall_s: A live source that sends nothing for so many seconds is lost.

    Raises:
        SourceError: The source does not exist, or nothing in it can be read.
    """
    if source.isdecimal():
        return Device(int(source), f"camera {source}")
    parts = _parts(source)
    scheme = parts.scheme.lower()
    if scheme in _STREAMS:
        return Stream(source, public_source(source), limits, warn, stall_s)
    if scheme in _WEB:
        return _http(source, limits, warn, stall_s, fps)
    if scheme and parts.netloc and scheme != "file":
        raise SourceError(
            f"{public_source(source)} has an unknown scheme, {scheme}://.",
            f"Known are file, http, https, {', '.join(sorted(_STREAMS))}.",
        )
    return _path(Path(parts.path) if scheme == "file" else Path(source), limits, warn, fps)


def _parts(source: str) -> SplitResult:
    try:
        parts = urlsplit(source)
        # A stream may be without a host (udp://@:5000 listens); reading the port checks it.
        scheme = parts.scheme.lower()
        well_formed = scheme not in _STREAMS | _WEB or parts.port != 0
        well_formed = well_formed and (scheme not in _WEB or bool(parts.hostname))
    except ValueError:
        well_formed = False
    if not well_formed:
        # Not quoted, as the library's own message would: it may hold the password.
        raise SourceError(
            "The address of the source is malformed: its host or port cannot be read.",
            "Write it as http://user:password@host:port/path, special characters as %40.",
        )
    return parts


def _path(path: Path, limits: ImageLimits, warn: Warn, fps: float | None) -> Source:
    step = None if fps is None else round(1_000_000 / fps)
    try:
        if path.is_char_device():
            number = path.name.removeprefix("video")
            if not number.isdecimal():
                raise SourceError(f"{path} is not a camera.", "Cameras are called /dev/videoN.")
            return Device(int(number), str(path))
        if path.is_dir():
            return image_files.folder(path, limits, warn, step)
        if not path.exists():
            raise missing_path(path)
        if not path.is_file():
            raise SourceError(f"{path} is neither a file nor a folder.")
        with path.open("rb"):
            kind = image_files.probe(path)
        if kind == "animation":
            return image_files.Animation(path, limits, warn)
        if kind == "image":
            return image_files.ImageFiles([path], limits, step)
        return video_file(path, limits, warn)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from None


def _http(
    source: str, limits: ImageLimits, warn: Warn, stall_s: float, fps: float | None
) -> Source:
    shown = public_source(source)
    camera = HttpCamera(source, shown, limits, stall_s, 1 / fps if fps else 1.0)
    try:
        found = camera.peek()
    except SourceLost:
        return camera  # it may come up later; the watcher tries again and says so
    if found.is_film:
        changed_at = time.time_ns() // 1000 if found.changed_at is None else found.changed_at
        return Recording(source, shown, limits, warn, changed_at=changed_at, timeout_s=stall_s)
    if found.kind.startswith(("video/", "audio/")) or "mpegurl" in found.kind:
        return Stream(source, shown, limits, warn, stall_s)
    return camera


class Reconnecting:
    """A live source that is opened again whenever it goes away, after growing waits."""

    live = True
    still = False
    started_at = 0
    time_source = "clock"
    total = None

    def __init__(self, source: Source, lost: Lost, stop: threading.Event) -> None:
        self._source = source
        self._lost = lost
        self._stop = stop
        self.reconnects = 0

    @property
    def damaged(self) -> int:
        return self._source.damaged

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        index = 0
        failures = 0
        while not self._stop.is_set():
            try:
                for frame in self._source.frames(wanted):
                    failures = 0
                    frame.index, index = index, index + 1
                    yield frame
                reason = "the source ended"
            except SourceLost as error:
                reason = error.message
            if self._stop.is_set():
                return
            # Full jitter above half: many cameras behind one switch must not reconnect together.
            longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(failures, 16))
            delay = longest * random.uniform(0.5, 1)  # noqa: S311 - not a secret
            failures += 1
            self.reconnects += 1
            self._lost(reason, delay, failures)
            self._stop.wait(delay)

    def close(self) -> None:
        self._source.close()
