"""From a source to the bucket: read, sample, compare, encode, upload."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hearth_runtime.watch import keys
from hearth_runtime.watch.addresses import public_source
from hearth_runtime.watch.bucket import Bucket
from hearth_runtime.watch.errors import SourceError, SourceLost, WatchError
from hearth_runtime.watch.frames import Frame, ImageLimits, Region, Source, encode
from hearth_runtime.watch.image_files import STILL_STEP_US
from hearth_runtime.watch.sampling import MotionGate, Sampler
from hearth_runtime.watch.sources import Reconnecting, open_source
from hearth_runtime.watch.spool import Spool
from hearth_runtime.watch.upload import Uploader

Event = Mapping[str, Any]
OnEvent = Callable[[Event], None]

_PROGRESS_S = 1.0
# How long an orderly end waits for a read that blocks in a driver or a stream.
_READER_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """What to watch, how, and where to.

    Attributes:
        source: Path, address or number of a camera.
        bucket: Name of the bucket.
        spool: Folder for frames that wait; a folder for each camera is made in it.
        camera: Camera id; None makes one from the source's name.
        endpoint_url: Of the S3 server; None is AWS, or what the environment says.
        region: AWS region; None is what the environment says.
        fps: Frames kept for each second of media time; None keeps every frame. Files and folders of
            images keep every image and use it as their pace.
        paced: Whether `fps` was asked for. Only then it sets the times of images in files.
        loop: How many times a source that ends is played; time goes on.
        motion: Whether frames on which nothing moved are dropped; never for images in files.
        motion_fraction: Part of the image that has to change, 0..1.
        regions: Parts of the image in which motion counts; none means everywhere. Frames are sent
            whole.
        keep_alive_s: A frame passes at least this often, moving or not; well under the time after
            which a policy lets an episode end (`gap_s`, 5 s by default).
        limits: Sizes and JPEG quality.
        start_time: Capture time of the first frame of a source that ends (timezone-aware); None is
            when its file was last changed.
        reconnect: Whether a live source that goes away is connected to again.
        stall_s: A live source that sends nothing for so long has gone away.
        spool_bytes: Bound on the bytes that wait on disk.
        patience_s: How long the end waits for a bucket that is out of reach; 0 leaves the rest in
            the spool at once.
    """

    source: str
    bucket: str
    spool: Path
    camera: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    fps: float | None = 5.0
    paced: bool = False
    loop: int = 1
    motion: bool = True
    motion_fraction: float = 0.003
    regions: tuple[Region, ...] = ()
    keep_alive_s: float = 2.0
    limits: ImageLimits = field(default_factory=ImageLimits)
    start_time: datetime | None = None
    reconnect: bool = True
    stall_s: float = 10.0
    spool_bytes: int = 2 * 1024**3
    patience_s: float = 30.0


@dataclass(frozen=True, slots=True)
class WatchSummary:
    """What became of a source.

    `frames_read` = `frames_skipped` (by the rate) + `frames_gated` (nothing moved) +
    `frames_rejected` (bigger than any limit) + those handed over. Of these `frames_sent` have
    arrived, `frames_waiting` lie in the spool, `frames_dropped` are lost (the spool was full, or
    the bucket refused them), and `frames_unreadable` were handed over as they are, for `detection`
    to refuse. `frames_spooled` took the way over the disk; `frames_recovered` were left there by
    an earlier run; `frames_damaged` of a video could not be decoded, and are not among those read.
    `time_source` says where capture times come from: `clock` of a live source;
    `start_time` as it was given; `creation_time` that a recording states; `file`, when it was
    last changed.
    """

    source: str
    camera: str
    bucket: str
    frames_read: int = 0
    frames_skipped: int = 0
    frames_gated: int = 0
    frames_sent: int = 0
    frames_spooled: int = 0
    frames_waiting: int = 0
    frames_recovered: int = 0
    frames_dropped: int = 0
    frames_unreadable: int = 0
    frames_rejected: int = 0
    frames_damaged: int = 0
    reconnects: int = 0
    first_key: str | None = None
    last_key: str | None = None
    end_key: str | None = None
    time_source: str = "clock"
    seconds: float = 0.0
    complete: bool = True
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "warnings": list(self.warnings)}


def watch(
    config: WatchConfig, on_event: OnEvent | None = None, stop: threading.Event | None = None
) -> WatchSummary:
    """Bring a source's frames into the bucket, until it ends or `stop` is set.

    Args:
        config: What and where to.
        on_event: Called with each event: `started`, `progress` about every second,
            `warning` with a `message`, `waiting` with the reason when a live source went away,
            `ended`. Called from several threads, one at a time.
        stop: Set it for an orderly end: what has been read is delivered, with the end marker.

    Raises:
        SourceError: The source cannot be read.
        StoreError: The bucket refuses us, or the disk is full.
    """
    return _Watch(config, on_event or (lambda event: None), stop or threading.Event()).run()


class _Watch:
    def __init__(self, config: WatchConfig, on_event: OnEvent, stop: threading.Event) -> None:
        self._config = config
        self._on_event = on_event
        self._stop = stop
        self._camera = keys.check_camera(config.camera or keys.default_camera(config.source))
        self._events = threading.Lock()
        self._warnings: list[str] = []
        self._summary = WatchSummary(public_source(config.source), self._camera, config.bucket)
        self._sampler = Sampler(config.fps)
        self._gate = MotionGate(
            config.motion_fraction,
            keep_alive_us=round(config.keep_alive_s * 1_000_000),
            regions=config.regions,
        )
        self._clock = keys.CaptureClock()
        self._time_source = "clock"
        self._submitted = 0
        self._unreadable = 0
        self._rejected = 0
        self._first_key: str | None = None
        self._last_key: str | None = None
        self._failure: BaseException | None = None
        self._read_to_end = threading.Event()

    def run(self) -> WatchSummary:
        started = time.monotonic()
        config = self._config
        fps = config.fps if config.paced else None
        source = open_source(
            config.source, config.limits, self._warn, fps=fps, stall_s=config.stall_s
        )
        if source.still:
            self._sampler = Sampler(None)
            if config.regions:
                self._warn("images in files are all sent: a region leaves none of them out")
        if source.live and config.reconnect:
            source = Reconnecting(source, self._lost, self._stop)
        bucket = Bucket(config.bucket, config.endpoint_url, config.region)
        try:
            bucket.check()
            with Spool(config.spool, self._camera, config.spool_bytes) as spool:
                uploader = Uploader(bucket, spool, self._warn, patient=not source.live)
                self._emit("started", live=source.live, total=self._total(source))
                end_key, complete = self._run(source, uploader, started)
                summary = self._snapshot(uploader, source, started)
        finally:
            bucket.close()
        summary = replace(summary, end_key=end_key, complete=complete)
        self._emit("ended", **summary.as_dict())
        if self._failure is not None:
            raise self._failure
        return summary

    def _run(self, source: Source, uploader: Uploader, started: float) -> tuple[str | None, bool]:
        reader = threading.Thread(
            target=self._read, args=(source, uploader), name="reader", daemon=True
        )
        reader.start()
        try:
            next_progress = started + _PROGRESS_S
            while not self._read_to_end.wait(0.1) and not self._stop.is_set():
                if time.monotonic() >= next_progress:
                    next_progress += _PROGRESS_S
                    self._progress(uploader, source, started)
        except KeyboardInterrupt:
            self._stop.set()
        if self._stop.is_set():
            source.close()
            uploader.hurry()
        reader.join(_READER_PATIENCE_S)
        end_key = None
        if self._failure is None and self._submitted and self._clock.last is not None:
            end_key = keys.end_key(self._camera, self._clock.last + 1)
            uploader.submit(end_key, json.dumps({"frames": self._submitted}).encode())
        complete = uploader.finish(self._config.patience_s, self._stop)
        if not complete:
            self._warn(
                f"{uploader.waiting} objects could not be delivered; they lie in "
                f"{self._config.spool / self._camera} and follow with the next `hearth watch` of "
                f"camera {self._camera}"
            )
        return end_key, complete

    def _read(self, source: Source, uploader: Uploader) -> None:
        """The reader's thread: everything up to the upload."""
        try:
            if source.live:
                self._pass(source, uploader, 0)
            else:
                self._play(source, uploader)
        except SourceLost as error:
            if self._sampler.seen:
                self._warn(f"{error.message}; not connecting again")
            else:
                self._failure = SourceError(f"{error.message}.", "Check that it is switched on.")
        except BaseException as error:
            # Raised again in the thread that called watch(); nothing may vanish with this one.
            self._failure = error
        finally:
            self._read_to_end.set()

    def _play(self, source: Source, uploader: Uploader) -> None:
        given = self._config.start_time
        base = source.started_at if given is None else keys.to_microseconds(given)
        self._time_source = source.time_source if given is None else "start_time"
        for _ in range(self._config.loop):
            last, step = self._pass(source, uploader, base)
            if last is None or self._stop.is_set():
                return
            base = last + step

    def _pass(self, source: Source, uploader: Uploader, base: int) -> tuple[int | None, int]:
        """Deliver one pass; returns the time of its last frame and the time between its frames."""
        times: list[int] = []

        def wanted(at: int) -> bool:
            times[:] = [*times[-1:], base + at]
            return self._sampler(base + at)

        for frame in source.frames(wanted):
            if self._stop.is_set():
                break
            self._deliver(frame, base, source, uploader)
        if not times:
            return None, 0
        paced = self._config.fps if self._config.paced and source.still else None
        if paced:
            return times[-1], round(1_000_000 / paced)
        return times[-1], times[-1] - times[0] or STILL_STEP_US

    def _deliver(self, frame: Frame, base: int, source: Source, uploader: Uploader) -> None:
        at = base + frame.captured_at
        steady = at if frame.elapsed is None else frame.elapsed
        if frame.problem is not None:
            if frame.encoded is None:
                self._rejected += 1
                self._warn(f"{frame.problem}; left out")
                return
            self._unreadable += 1
            self._warn(f"{frame.problem}; stored as it is, detection will refuse it")
        elif self._config.motion and not source.still and not self._gate.passes(frame, steady):
            return
        data = frame.encoded
        if data is None:
            assert frame.image is not None  # noqa: S101 - a frame holds one or the other
            data = encode(frame.image, self._config.limits)
        last, captured_at = self._clock.last, self._clock(at)
        if last is not None and captured_at < last:
            self._warn(
                f"the clock was set back by {(last - captured_at) / 1_000_000:.0f} s; capture "
                "times follow it"
            )
        key = keys.frame_key(self._camera, captured_at)
        uploader.submit(key, data)
        self._submitted += 1
        self._first_key = self._first_key or key
        self._last_key = key

    def _snapshot(self, uploader: Uploader, source: Source, started: float) -> WatchSummary:
        counts = uploader.counts
        return replace(
            self._summary,
            frames_read=self._sampler.seen,
            frames_skipped=self._sampler.skipped,
            frames_gated=self._gate.dropped,
            frames_sent=counts.sent,
            frames_spooled=counts.spooled,
            frames_waiting=uploader.waiting,
            frames_recovered=counts.recovered,
            frames_dropped=counts.dropped,
            frames_unreadable=self._unreadable,
            frames_rejected=self._rejected,
            frames_damaged=source.damaged,
            reconnects=source.reconnects if isinstance(source, Reconnecting) else 0,
            first_key=self._first_key,
            last_key=self._last_key,
            time_source=self._time_source,
            seconds=round(time.monotonic() - started, 3),
            warnings=tuple(self._warnings),
        )

    def _progress(self, uploader: Uploader, source: Source, started: float) -> None:
        now = self._snapshot(uploader, source, started)
        self._emit(
            "progress",
            total=self._total(source),
            frames_read=now.frames_read,
            frames_gated=now.frames_gated,
            frames_sent=now.frames_sent + now.frames_recovered,
            frames_waiting=now.frames_waiting,
            frames_dropped=now.frames_dropped,
            fps=round(now.frames_read / max(now.seconds, 0.001), 1),
            outage=uploader.outage,
            seconds=now.seconds,
        )

    def _total(self, source: Source) -> int | None:
        return None if source.total is None else source.total * self._config.loop

    def _warn(self, message: str) -> None:
        # A camera that is away for a month must not fill the memory.
        if len(self._warnings) < 100:
            self._warnings.append(message)
        self._emit("warning", message=message)

    def _lost(self, reason: str, delay_s: float, attempt: int) -> None:
        self._warn(f"{reason}; trying again in {delay_s:.1f} s (attempt {attempt})")
        self._emit("waiting", reason=reason, retry_in_s=round(delay_s, 1), attempt=attempt)

    def _emit(self, event: str, **facts: Any) -> None:
        with self._events:
            self._on_event({"event": event, "camera": self._camera, **facts})


__all__ = ["WatchConfig", "WatchError", "WatchSummary", "watch"]
