"""Decodes video with FFmpeg (PyAV): every frame progressive, upright, with square pixels.

What cannot be decoded or converted is counted and left out. Nothing is handed on that is not an
image: OpenCV's reader returned its unfilled buffer for interlaced H.264 and reported success.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, cast

import av
import av.filter
import numpy as np
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import ExitError, FFmpegError
from av.format import Flags
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from hearth_runtime.watch.errors import SourceError
from hearth_runtime.watch.frames import Image

MICROSECOND: Final = Fraction(1, 1_000_000)
DEFAULT_FPS: Final = Fraction(25)  # what FFmpeg assumes where nothing states a rate
_HIGHEST_FPS = 1000
# FFmpeg's -dts_delta_threshold: in a format whose times may start again, a longer step is such a
# start and no pause.
_DISCONTINUITY_US = 10_000_000
_LONGEST_PAUSE_US = 24 * 3_600_000_000
# A demuxer that fails so often without handing on a packet does not get any further.
_MOST_ERRORS_IN_A_ROW = 500
# After so many packets without a frame, the part behind them may have another codec.
_UNDECODED_PACKETS = 25
# How many packets before the first bad one are looked at too: decoders hand frames on late.
_DECODER_DELAY = 10
# Behind the first part of a packet nothing of it is read: what comes next begins with its headers.
_TS_PACKET = 188
# A thread holds a frame of its own: 64 processors must not hold 64 frames of 8K.
_MOST_THREADS = 4
# Analogue-HD recorders store half of each line ("1080N") and often do not say so: width, height.
_HALF_WIDTH: Final = frozenset({(640, 720), (960, 1080), (1280, 1440), (1296, 1944), (1920, 2160)})


Reopen = Callable[[int], InputContainer]
"""Opens the same source again, from a byte on."""


class Decoder:
    """One open video: its frames in order, and what was lost on the way.

    Attributes:
        codec: FFmpeg's name of it.
        fps: Frames a second as announced; None where nothing is.
        total: Frames as the header counts them; None where it does not.
        damaged: Packets and frames that could not be decoded or converted so far.
        decoded: Frames that could.
        undecoded: Packets since the last frame that could.
    """

    def __init__(
        self,
        container: InputContainer,
        shown: str,
        max_pixels: int,
        reopen: Reopen | None = None,
    ) -> None:
        """Take over an open container; with `reopen` a change of the codec is followed.

        Raises:
            SourceError: It holds no video, none that can be decoded here, or too large a one.
        """
        self.damaged = 0
        self.decoded = 0
        self.undecoded = 0
        self.last_error: str | None = None
        self._shown = shown
        self._max_pixels = max_pixels
        self._use(container)
        self.fps = _announced_rate(self._stream)
        self.total = self._stream.frames or None
        # In these formats parts of other recordings may follow.
        self._discontinuous = bool(Flags(container.format.flags) & Flags.ts_discont)
        self._reopen = reopen if self._discontinuous else None
        self._timed = not (
            Flags(container.format.flags) & Flags.no_timestamps
            or container.format.name == "jpeg_pipe"
        )
        self._positions: deque[int] = deque(maxlen=_UNDECODED_PACKETS + _DECODER_DELAY)
        self._at: int | None = None
        self._offset = 0
        self._deinterlacer: _Deinterlacer | None = None
        self._reformatter = VideoReformatter()

    def _use(self, container: InputContainer) -> None:
        self._container = container
        try:
            self._stream = self._select_stream()
            self._check_size(self._stream.width, self._stream.height)
        except SourceError:
            container.close()
            raise
        context = self._stream.codec_context
        # Also for what the header does not tell: FFmpeg then refuses it before it takes memory.
        context.options = {"max_pixels": str(self._max_pixels)}
        context.thread_type = "AUTO"
        context.thread_count = min(_MOST_THREADS, (os.cpu_count() or 1) + 1)
        self.codec = context.name

    def frames(self, keep_reading: Callable[[], bool]) -> Iterator[tuple[int, VideoFrame]]:
        """Times in microseconds since the first frame, increasing, with frames not yet converted.

        Raises:
            FFmpegError: The source itself failed (a time-out, a lost connection).
        """
        for frame in self._decode(keep_reading):
            frame.pts, frame.time_base = self._next_time(frame), MICROSECOND
            if self._deinterlacer is None and frame.interlaced_frame:
                self._deinterlacer = _Deinterlacer()
            ready = [frame] if self._deinterlacer is None else self._deinterlacer.push(frame)
            for one in ready:
                yield _microseconds(one), one
        if self._deinterlacer is not None:
            for one in self._deinterlacer.flush():
                yield _microseconds(one), one

    def convert(self, frame: VideoFrame, max_side: int) -> Image | None:
        """(H, W, 3) uint8 BGR with square pixels, upright; None, counted, where that fails.

        Where its longer side has more pixels than `max_side`, it is shrunk in the same pass.

        Raises:
            SourceError: The frame has too many pixels.
        """
        width, height = self._square_size(frame.width, frame.height)
        self._check_size(width, height)
        scale = min(1.0, max_side / max(width, height))
        try:
            # One reformatter for all frames and one thread: making either anew costs more than it
            # brings.
            image = self._reformatter.reformat(
                frame,
                max(1, round(width * scale)),
                max(1, round(height * scale)),
                "bgr24",
                interpolation="AREA" if scale < 1 else "BILINEAR",
                threads=1,
            ).to_ndarray()
        except (FFmpegError, ValueError) as error:
            self._lose(error)
            return None
        turns = round(frame.rotation / 90) % 4
        if turns:
            image = np.rot90(image, turns)
        return cast(Image, np.ascontiguousarray(image))

    def warnings(self) -> Iterator[str]:
        """What a person should know of the pass, a sentence each."""
        if not self._timed and self._at:
            rate = (self.decoded - 1) * 1_000_000 / self._at
            yield f"{self._shown} holds no times: {rate:.3g} frames a second are assumed"
        if self._is_half_width and self._aspect() == 2:
            width, height = self._stream.codec_context.width, self._stream.codec_context.height
            yield f"{self._shown} has {width}x{height} pixels of double width: squared"
        if self.damaged:
            yield (
                f"{self._shown} is damaged: {self.damaged} of about "
                f"{self.damaged + self.decoded} frames could not be decoded and are left out"
                f"{f' ({self.last_error})' if self.last_error else ''}"
            )

    def close(self) -> None:
        self._container.close()

    def _select_stream(self) -> VideoStream:
        videos = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not videos:
            kind = "sound but no video" if self._container.streams.audio else "no video"
            raise SourceError(f"{self._shown} holds {kind}.", "Give a video.")
        # PyAV gives no codec context to a codec that this FFmpeg has no decoder for.
        known = [stream for stream in videos if stream.codec_context is not None]
        if not known:
            raise SourceError(
                f"{self._shown} holds video in a codec that is not known here.",
                "Have it written as H.264, H.265, VP9, AV1 or Motion JPEG.",
            )
        # A second stream of the same camera is smaller.
        chosen = max(known, key=lambda stream: (stream.width or 0) * (stream.height or 0))
        for stream in self._container.streams:
            if stream is not chosen:
                stream.discard = Discard.all
        return chosen

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise SourceError(
                f"{self._shown} has {width}x{height} pixels; the limit is {self._max_pixels} "
                "a frame.",
                "Shrink it, or raise --max-pixels.",
            )

    def _decode(self, keep_reading: Callable[[], bool]) -> Iterator[VideoFrame]:
        """Frames of all packets; a packet that cannot be read or decoded is counted and skipped."""
        errors = 0
        packets = self._container.demux(self._stream)
        while keep_reading() and errors < _MOST_ERRORS_IN_A_ROW:
            try:
                packet = next(packets, None)
            except EndOfFile:
                return
            except (
                av.error.InvalidDataError,
                av.error.PatchWelcomeError,
                BlockingIOError,
            ) as error:
                errors += 1
                self._lose(error)
                packets = self._container.demux(self._stream)  # goes on behind the damage
                continue
            if packet is None:
                return
            errors = 0
            self.undecoded += 1
            if packet.pos is not None and packet.pos >= 0:
                self._positions.append(packet.pos + _TS_PACKET)
            try:
                frames = packet.decode()
            except (ExitError, TimeoutError):
                raise
            except EndOfFile:
                return
            except FFmpegError as error:
                self._lose(error)
                frames = []
            for frame in frames:
                if frame.is_corrupt:
                    self._lose(None)
                    continue
                self.undecoded = 0
                self.decoded += 1
                yield frame
            if self.undecoded == _UNDECODED_PACKETS and self._follow_codec():
                packets = self._container.demux(self._stream)

    def _follow_codec(self) -> bool:
        """Go on with the codec that follows behind the last frame, if it is another.

        It begins where most can be decoded from: before that lie headers of the old codec, behind
        it no key frame.
        """
        candidates = list(self._positions)[: 2 * _DECODER_DELAY] if self._reopen else []
        frames, start = max(
            ((self._frames_behind(position), -position) for position in candidates), default=(0, 0)
        )
        if self._reopen is None or not frames:
            return False
        before = self._container
        self._use(self._reopen(-start))
        before.close()
        self.damaged = max(0, self.damaged - self.undecoded)  # these packets are read again
        self.undecoded = 0
        self._positions.clear()
        return True

    def _frames_behind(self, position: int) -> int:
        """How many of the packets from a byte on give a frame in a codec other than this one."""
        assert self._reopen is not None  # noqa: S101 - the caller has seen to it
        try:
            trial = Decoder(self._reopen(position), self._shown, self._max_pixels)
        except (FFmpegError, ValueError, SourceError):
            return 0
        packets = iter(range(_UNDECODED_PACKETS))
        try:
            if trial.codec == self.codec:
                return 0
            return sum(1 for _ in trial._decode(lambda: next(packets, None) is not None))
        except FFmpegError:
            return 0
        finally:
            trial.close()

    def _lose(self, error: Exception | None) -> None:
        self.damaged += 1
        if error is not None:
            # Not the error itself, which names the address with its password.
            self.last_error = getattr(error, "strerror", None) or type(error).__name__

    def _next_time(self, frame: VideoFrame) -> int:
        """Microseconds since the first frame: the container's, else by the rate.

        Times that start again or jump, as in a stream's recording, are followed: the frame comes
        one frame after its predecessor, and those after it count from there.
        """
        step = self._frame_us(frame)
        last = self._at
        if frame.pts is None or frame.time_base is None:
            self._at = 0 if last is None else last + step
            return self._at
        stated = round(frame.pts * frame.time_base / MICROSECOND)
        if last is None:
            self._at, self._offset = 0, -stated
            return 0
        at = stated + self._offset
        pause = _DISCONTINUITY_US if self._discontinuous else _LONGEST_PAUSE_US
        if at <= last - step or at - last > pause:
            self._offset += last + step - at
            at = last + step
        self._at = max(at, last + 1)
        return self._at

    def _frame_us(self, frame: VideoFrame) -> int:
        if frame.duration and frame.time_base:
            duration = round(frame.duration * frame.time_base / MICROSECOND)
            if 1_000_000 // _HIGHEST_FPS <= duration <= _DISCONTINUITY_US:
                return duration
        return round(1_000_000 / (self.fps or DEFAULT_FPS))

    @property
    def _is_half_width(self) -> bool:
        context = self._stream.codec_context
        return (context.width, context.height) in _HALF_WIDTH

    def _aspect(self) -> Fraction:
        """Width of a pixel over its height; the container's word counts before the codec's."""
        stated = self._stream.sample_aspect_ratio
        if not stated:
            stated = self._stream.codec_context.sample_aspect_ratio
        if (not stated or stated == 1) and self._is_half_width:
            return Fraction(2)
        # Beyond this it is damage: anamorphic formats lie between 0.5 and 2.7.
        return stated if stated and Fraction(1, 4) <= stated <= 4 else Fraction(1)

    def _square_size(self, width: int, height: int) -> tuple[int, int]:
        """The size with square pixels: none is thrown away, the shorter side grows."""
        aspect = self._aspect()
        if aspect >= 1:
            return round(width * aspect), height
        return width, round(height / aspect)


class _Deinterlacer:
    """Makes interlaced frames progressive (bwdif); others pass through unchanged."""

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._form: tuple[Any, ...] = ()

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        form = (frame.width, frame.height, frame.format.name)
        if form != self._form:
            yield from self.flush()
            self._form, self._graph = form, _deinterlace_graph(frame)
        assert self._graph is not None  # noqa: S101 - made with the first frame
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> Iterator[VideoFrame]:
        """The frame that waits for its successor."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph, self._form = None, ()

    def _pull(self) -> Iterator[VideoFrame]:
        assert self._graph is not None  # noqa: S101 - both callers have one
        while True:
            try:
                yield cast(VideoFrame, self._graph.pull())
            except (BlockingIOError, EndOfFile):
                return


def _deinterlace_graph(frame: VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=MICROSECOND
        ),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("buffersink"),
    ]
    for before, after in pairwise(nodes):
        before.link_to(after)
    graph.configure()
    return graph


def _microseconds(frame: VideoFrame) -> int:
    """The time that `Decoder` gave a frame; a filter may count it in another unit."""
    assert frame.pts is not None  # noqa: S101 - every frame was given one
    assert frame.time_base is not None  # noqa: S101
    return round(frame.pts * frame.time_base / MICROSECOND)


def _announced_rate(stream: VideoStream) -> float | None:
    """Frames a second, as the container or the codec announces them."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        # A stream without a rate announces its clock, 90 kHz.
        if rate and 0 < rate <= _HIGHEST_FPS:
            return round(float(rate), 2)
    return None
