"""Video as a source: files and films on the web, streams, and the cameras of this machine."""

from __future__ import annotations

import errno
import functools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import av
import cv2
from av.container import InputContainer
from av.error import FFmpegError, HTTPForbiddenError, HTTPNotFoundError, HTTPUnauthorizedError

from hearth_runtime.watch.decoding import Decoder
from hearth_runtime.watch.errors import AccessRefused, SourceError, SourceLost
from hearth_runtime.watch.frames import Frame, Image, ImageLimits, Wanted, Warn
from hearth_runtime.watch.image_files import file_time

# A recording's own time is believed from here to tomorrow; cameras without a clock write 1904,
# 1970 or 2000.
_EARLIEST = datetime(2001, 1, 1, tzinfo=UTC)
# A key frame may be that far away where a camera saves bytes ("smart codec").
_FIRST_IMAGE_S = 60.0
# More than any decoder keeps to itself before it hands on the first of them.
_UNDECODED_PACKETS = 50
# A recorder that starts again may number its streams anew: they are the same streams.
_ONE_PROGRAM = {"merge_pmt_versions": "1"}
_REFUSED = (HTTPUnauthorizedError, HTTPForbiddenError)
_USE_INSTEAD = (
    "Give a video, an animated GIF, an image, a folder of images, rtsp://, http:// or the number "
    "of a camera."
)


class Recording:
    """A video with an end; frame times are the container's, or by its frame rate.

    Attributes:
        damaged: Frames that could not be decoded or converted, over all passes.
        time_source: Which time `started_at` is: `creation_time` of the container, or `file`.
    """

    live = False
    still = False

    def __init__(
        self,
        address: str,
        shown: str,
        limits: ImageLimits,
        warn: Warn,
        *,
        changed_at: int,
        timeout_s: float = 10.0,
    ) -> None:
        """`shown` is the address without its password; `changed_at` microseconds since 1970.

        Raises:
            SourceError: It holds no video that can be read here.
        """
        self._address = address
        self._shown = shown
        self._limits = limits
        self._warn = warn
        self._timeout_s = timeout_s
        self._closed = threading.Event()
        self.damaged = 0
        decoder, container = self._open()
        created = _creation_time(container)
        self.codec, self.fps, self.total = decoder.codec, decoder.fps, decoder.total
        # The first pass goes on with it: opening takes as long as reading 30 frames.
        self._opened: Decoder | None = decoder
        self.time_source = "file" if created is None else "creation_time"
        self.started_at = changed_at if created is None else created

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        decoder = self._opened or self._open()[0]
        self._opened = None
        index = asked = given = 0
        side = self._limits.max_side
        try:
            for at, frame in decoder.frames(lambda: not self._closed.is_set()):
                if wanted(at):
                    asked += 1
                    if (image := decoder.convert(frame, side)) is not None:
                        given += 1
                        yield Frame(index, at, image)
                index += 1
        except FFmpegError as error:
            self._warn(f"{self._shown} breaks off: {_reason(error, self._timeout_s)}")
        finally:
            self.damaged += decoder.damaged
            for message in decoder.warnings():
                self._warn(message)
            decoder.close()
        if self._closed.is_set():
            return
        if index == 0 or asked > given == 0:
            reason = f" ({decoder.last_error})" if decoder.last_error else ""
            raise SourceError(f"{self._shown} holds no frame that can be decoded{reason}.")
        # Counts from a header may be estimates, off by a frame or two.
        if self.total is not None and index + decoder.damaged < self.total - 2:
            self._warn(
                f"{self._shown} announces {self.total} frames but only {index} could be read: it "
                "is cut short or damaged"
            )

    def close(self) -> None:
        self._closed.set()

    def _open(self) -> tuple[Decoder, InputContainer]:
        began = time.monotonic()
        try:
            container = self._container(0)
        except (FFmpegError, ValueError) as error:
            # Demuxers take a read that was interrupted for the end of the video.
            stalled = time.monotonic() - began >= self._timeout_s
            why = self._why(TimeoutError() if stalled else error)
            raise SourceError(f"{self._shown} cannot be read: {why}.", _USE_INSTEAD) from None
        decoder = Decoder(container, self._shown, self._limits.max_pixels, self._container)
        return decoder, container

    def _container(self, position: int) -> InputContainer:
        """The video, from a byte on."""
        # A playlist may name further addresses: of a file only files are read.
        web = "://" in self._address
        protocols = "http,https,tcp,tls,crypto" if web else "file"
        return av.open(
            self._address,
            options={
                "protocol_whitelist": protocols,
                # Cameras stand in the local network, where a proxy of the environment leads astray.
                "http_proxy": "",
                "skip_initial_bytes": str(position),
                **_ONE_PROGRAM,
            },
            metadata_errors="replace",
            timeout=self._timeout_s,
        )

    def _why(self, error: Exception) -> str:
        if "://" not in self._address and Path(self._address).stat().st_size == 0:
            return "it is empty (0 bytes)"
        if isinstance(error, av.error.EOFError):
            return "it holds no frame"
        if isinstance(error, av.error.InvalidDataError | ValueError):
            return "FFmpeg finds no video in it"
        return _reason(error, self._timeout_s)


def video_file(path: Path, limits: ImageLimits, warn: Warn) -> Recording:
    """A video in a file.

    Raises:
        SourceError: It holds no video that can be read here.
    """
    # FFmpeg takes a name with a colon for an address.
    return Recording(str(path.resolve()), str(path), limits, warn, changed_at=file_time(path))


class Stream:
    """A live stream; frame times are the wall clock's, sampling goes by the monotonic one."""

    live = True
    still = False
    started_at = 0
    time_source = "clock"
    total = None

    def __init__(
        self, address: str, shown: str, limits: ImageLimits, warn: Warn, stall_s: float
    ) -> None:
        """`shown` is the address as messages may show it, without its password."""
        self.codec: str | None = None
        self.fps: float | None = None
        self._address = address
        self._shown = shown
        self._limits = limits
        self._warn = warn
        self._stall_s = stall_s
        self.damaged = 0
        self._closed = threading.Event()

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        decoder = self._open()
        self.codec, self.fps = decoder.codec, decoder.fps
        index = 0
        before, side = self.damaged, self._limits.max_side
        read_at = time.monotonic()

        def keep_reading() -> bool:
            self.damaged = before + decoder.damaged
            # Packets alone are no sign of life: a stream may hold none that can be decoded.
            silence_s = time.monotonic() - read_at
            if index and decoder.undecoded > _UNDECODED_PACKETS:
                raise SourceLost(
                    f"{self._shown} sends nothing that can be decoded as {self.codec}; its codec "
                    "may have changed"
                )
            if silence_s > max(self._stall_s, _FIRST_IMAGE_S):
                raise SourceLost(
                    f"{self._shown} sent nothing that can be decoded for {silence_s:.0f} s "
                    f"(codec {self.codec})"
                )
            return not self._closed.is_set()

        try:
            for _, frame in decoder.frames(keep_reading):
                read_at = time.monotonic()
                now, elapsed = time.time_ns() // 1000, time.monotonic_ns() // 1000
                if wanted(elapsed) and (image := decoder.convert(frame, side)) is not None:
                    yield Frame(index, now, image, elapsed=elapsed)
                index += 1
        except FFmpegError as error:
            if not self._closed.is_set():
                raise SourceLost(f"{self._shown}: {_reason(error, self._stall_s)}") from None
        finally:
            for message in decoder.warnings():
                self._warn(message)
            decoder.close()
        if not self._closed.is_set():
            raise SourceLost(f"{self._shown} ended its stream")

    def close(self) -> None:
        self._closed.set()

    def _open(self) -> Decoder:
        options = _ONE_PROGRAM
        if self._address.lower().startswith("rtsp"):
            # Over TCP no packet is lost; some servers know UDP alone.
            options = {"rtsp_flags": "prefer_tcp", "allowed_media_types": "video"}
        try:
            container = av.open(
                self._address,
                options=options,
                metadata_errors="replace",
                timeout=self._stall_s,
            )
        except _REFUSED as error:
            raise AccessRefused(
                f"{self._shown} refuses access ({'401' if type(error) is _REFUSED[0] else '403'}).",
                "Check the user name and password in the address: "
                "rtsp://user:password@host/path, special characters as %40.",
            ) from None
        except HTTPNotFoundError:
            raise SourceError(
                f"{self._shown} does not exist at the camera (404).",
                "Look in the camera's manual for the path of its stream.",
            ) from None
        except av.error.ProtocolNotFoundError:
            raise SourceError(
                f"{self._shown} cannot be opened: the FFmpeg that Hearth brings does not know this "
                "kind of address.",
                "Give the camera's rtsp:// or http:// address.",
            ) from None
        except (FFmpegError, ValueError) as error:
            reason = _reason(error, self._stall_s)
            raise SourceLost(f"{self._shown} cannot be opened: {reason}") from None
        return Decoder(container, self._shown, self._limits.max_pixels)


class Device:
    """A camera of this machine, through OpenCV: its V4L2 reads have a time limit, FFmpeg's none."""

    live = True
    still = False
    started_at = 0
    time_source = "clock"
    total = None
    damaged = 0

    def __init__(self, number: int, shown: str) -> None:
        self.codec: str | None = None
        self.fps: float | None = None
        self._number = number
        self._shown = shown
        self._closed = threading.Event()

    def frames(self, wanted: Wanted) -> Iterator[Frame]:
        capture = self._open()
        index = 0
        try:
            while not self._closed.is_set() and capture.grab():
                now, elapsed = time.time_ns() // 1000, time.monotonic_ns() // 1000
                if wanted(elapsed):
                    done, image = capture.retrieve()
                    if not done:
                        break
                    yield Frame(index, now, cast(Image, image), elapsed=elapsed)
                index += 1
        finally:
            capture.release()
        if not self._closed.is_set():
            raise SourceLost(f"{self._shown} went away")

    def close(self) -> None:
        self._closed.set()

    def _open(self) -> cv2.VideoCapture:
        _silence()
        capture = cv2.VideoCapture(self._number, cv2.CAP_V4L2, ())
        if not capture.isOpened():
            raise SourceLost(f"{self._shown} cannot be opened")
        # A short driver queue, where the driver knows one: what is read is what is seen now.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        return capture


def _creation_time(container: InputContainer) -> int | None:
    """When the recording says it began: microseconds since 1970, UTC; None where it does not.

    Apple's key has the offset of the place; `creation_time` of MP4 and MOV is UTC by its standard.
    """
    stated = [container.metadata, *(stream.metadata for stream in container.streams)]
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        for metadata in stated:
            try:
                moment = datetime.fromisoformat(metadata[key])
            except (KeyError, ValueError):
                continue
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            if moment >= _EARLIEST and moment.timestamp() < time.time() + 86_400:
                return round(moment.timestamp() * 1_000_000)
    return None


def _reason(error: Exception, timeout_s: float) -> str:
    """Why FFmpeg failed, in words of ours where its own say too little; never with the address."""
    if isinstance(error, av.error.ExitError | TimeoutError):
        return f"it sent nothing for {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused: nothing listens there"
    if isinstance(error, OSError) and error.errno == errno.EIO:
        return "the connection was lost, or the name of the host is not known"
    if isinstance(error, av.error.DecoderNotFoundError):
        return "its codec is not supported"
    text = getattr(error, "strerror", None) or type(error).__name__
    return text[:1].lower() + text[1:]


@functools.cache
def _silence() -> None:
    """Keep OpenCV from writing to stderr: what went wrong is said in our own words."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
