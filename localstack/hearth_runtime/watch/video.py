"""Sources that OpenCV's FFmpeg or V4L2 reads: video files, RTSP and other streams, devices."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import cv2

from hearth_runtime.watch.errors import SourceError, SourceLost
from hearth_runtime.watch.frames import Frame, Image, ImageLimits, Wanted, Warn
from hearth_runtime.watch.image_files import file_time

_HIGHEST_FPS = 1000.0


class VideoFile:
    """A video with an end; frame times are the container's (PTS)."""

    live = False
    still = False

    def __init__(self, path: Path, limits: ImageLimits, warn: Warn) -> None:
        self.codec: str | None = None
        self.fps: float | None = None
        self._path = path
        self._warn = warn
        self.started_at = file_time(path)
        capture = self._open()
        try:
            counted = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        finally:
            capture.release()
        self.total = counted if counted > 0 else None
        if width * height > limits.max_pixels:
            raise SourceError(
                f"{path} has {width}x{height} pixels; the limit is {limits.max_pixels} a frame.",
                "Shrink it, or raise --max-pixels.",
            )

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        capture = self._open()
        index = 0
        at = -1
        try:
            while capture.grab():
                position = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1000)
                # Some containers hold no times; a time that stands still must still go on.
                at = max(position, at + 1)
                if wanted(at):
                    done, image = capture.retrieve()
                    if not done:
                        break
                    yield Frame(index, at, cast(Image, image))
                index += 1
        finally:
            capture.release()
        if index == 0:
            raise SourceError(f"{self._path} holds no frame that can be decoded.")
        # Counts from a header may be estimates, off by a frame or two.
        if self.total is not None and index < self.total - 2:
            self._warn(
                f"{self._path} announces {self.total} frames but only {index} could be read: it is "
                "cut short or damaged"
            )

    def close(self) -> None:
        """The file is closed when the pass ends."""

    def _open(self) -> cv2.VideoCapture:
        capture = _capture(str(self._path), cv2.CAP_FFMPEG, ())
        if not capture.isOpened():
            size = self._path.stat().st_size
            why = "it is empty (0 bytes)" if size == 0 else "FFmpeg finds no video in it"
            raise SourceError(
                f"{self._path} cannot be read: {why}.",
                "Give a video, an animated GIF, an image, a folder of images, rtsp://, http:// "
                "or the number of a camera.",
            )
        self.codec, self.fps = _announced(capture)
        return capture


class LiveVideo:
    """A stream or a camera of this machine; frame times are the wall clock's."""

    live = True
    still = False
    started_at = 0
    total = None

    def __init__(self, address: str | int, shown: str, stall_s: float) -> None:
        """`shown` is the address as messages may show it, without its password."""
        self.codec: str | None = None
        self.fps: float | None = None
        self._address = address
        self._shown = shown
        self._stall_s = stall_s
        self._closed = threading.Event()

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        capture = self._open()
        index = 0
        try:
            while not self._closed.is_set() and capture.grab():
                now = time.time_ns() // 1000
                if wanted(now):
                    done, image = capture.retrieve()
                    if not done:
                        break
                    yield Frame(index, now, cast(Image, image))
                index += 1
        finally:
            capture.release()
        if not self._closed.is_set():
            raise SourceLost(f"{self._shown} ended or sent nothing for {self._stall_s:g} s")

    def close(self) -> None:
        self._closed.set()

    def _open(self) -> cv2.VideoCapture:
        if isinstance(self._address, int):
            capture = _capture(self._address, cv2.CAP_V4L2, ())
        else:
            limit = round(self._stall_s * 1000)
            options = (
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit),
            )
            capture = _capture(self._address, cv2.CAP_FFMPEG, options)
        if not capture.isOpened():
            raise SourceLost(f"{self._shown} cannot be opened")
        self.codec, self.fps = _announced(capture)
        # A short driver queue, where the driver knows one: what is read is what is seen now.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        return capture


def _announced(capture: cv2.VideoCapture) -> tuple[str | None, float | None]:
    """Codec and frames a second, as the source announces them."""
    number = int(capture.get(cv2.CAP_PROP_FOURCC))
    codec = number.to_bytes(4, "little", signed=number < 0).decode("ascii", "replace").strip("\0 ")
    fps = capture.get(cv2.CAP_PROP_FPS)
    # A stream without a rate announces its clock, 90 kHz.
    return codec if codec.isprintable() and codec else None, (
        round(fps, 2) if 0 < fps <= _HIGHEST_FPS else None
    )


def _capture(address: str | int, backend: int, options: Sequence[int]) -> cv2.VideoCapture:
    _silence()
    return cv2.VideoCapture(address, backend, options)


@functools.cache
def _silence() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr: what went wrong is said in our own words.

    FFmpeg's level is read when the first video is opened; who sets the variable sees all of it.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
