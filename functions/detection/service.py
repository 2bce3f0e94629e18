"""Judges batches of frames and ends of streams."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from functions.detection.incidents.recording import (
    ModelRecord,
    record_dropped,
    record_end,
    record_failures,
    record_frames,
)
from functions.detection.incidents.settle_jobs import due_watches
from functions.detection.intake.load_shedding import Arrivals, overdue
from functions.detection.intake.rate_limit import choose, windows
from functions.detection.judging.assessment import FrameResult, assess
from functions.detection.policy import CameraRules, Policy
from functions.detection.repository.cameras import get_last_frame_times
from functions.detection.repository.frames import list_capture_times
from functions.detection.schemas import DropReason
from hearth.db import Database, encode_json
from hearth.errors import HearthError, NotFound
from hearth.frames import FrameRef, parse_frame_key
from hearth.ids import utc_now
from hearth.ledger.consumer import Deadline, Done, Failed, Outcome, Postpone
from hearth.ledger.ledger import Job, Ledger, NewJob, UnitOfWork
from hearth.logging import logger
from hearth.storage import ObjectStore
from hearth_vision.detections import Detections
from hearth_vision.detector import Detector, DetectorInfo
from hearth_vision.images import Bgr, ImageLimits, decode_image

if TYPE_CHECKING:
    from sqlalchemy import Connection

FRAME_RESERVE_S = 2.0
"""A frame that is not begun with so much time left is postponed; seconds."""


class Policies(Protocol):
    def current(self) -> Policy: ...


Measure = Callable[[int, int, float, Mapping[DropReason, int]], None]
"""frames, persons, inference milliseconds and dropped frames of a batch."""


@dataclass(frozen=True)
class _Arrived:
    """A frame by its key alone, before anything is fetched."""

    job: Job
    ref: FrameRef
    rules: CameraRules


@dataclass(frozen=True)
class _Picture:
    """`image` is the part that is looked at, `view` its corners, `size` (width, height) of all."""

    job: Job
    ref: FrameRef
    image: Bgr
    view: tuple[int, int, int, int]
    size: tuple[int, int]


class FrameService:
    """Frames in, judged frames and incidents out.

    Args:
        detector: Loads the model on first call and returns the same one afterwards.
        site: The site's time zone.
        measure: Told about each batch.
        threads: Frames that are fetched and decoded at once.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        detector: Callable[[], Detector],
        policies: Policies,
        site: ZoneInfo,
        limits: ImageLimits,
        measure: Measure,
        threads: int = 4,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._db: Database = ledger.db
        self._store = store
        self._detector = detector
        self._policies = policies
        self._site = site
        self._limits = limits
        self._measure = measure
        self._now = now
        self._arrivals = Arrivals()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")

    # ---- frames ----

    def frames(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """A `Work`: all frames of one queue batch.

        Objects are fetched and decoded by threads while the model works on those before them.
        """
        try:
            detector, policy = self._detector(), self._policies.current()
        except HearthError as error:
            yield from self._all_failed(jobs, error)
            return
        frames = _arrived(jobs, policy)
        stale = self._overdue(frames)
        # What is let go because it is late takes nobody's place.
        timely = [frame for frame in frames if frame.job.id not in stale]
        beyond = self._beyond_rate(timely)
        jobs = [job for job in jobs if job.id not in stale | beyond]
        failures: dict[str, tuple[Job, HearthError]] = {}
        late: list[Job] = []
        pictures: list[_Picture] = []
        began = time.perf_counter()
        found = detector.detect(self._images(jobs, policy, deadline, pictures, failures, late))
        elapsed_ms = (time.perf_counter() - began) * 1000
        results: list[tuple[Job, FrameResult]] = []
        for picture, detections in zip(pictures, found, strict=True):
            try:
                results.append((picture.job, self._assess(picture, detections, detector, policy)))
            except HearthError as error:
                failures[picture.job.id] = picture.job, error
        batch = _Batch(
            self._ledger, policy, model_record(detector.info), self._now, [r for _, r in results]
        )
        self._remember_failures(failures.values())
        again = self._beyond_for_nothing(beyond, timely, failures)
        beyond -= again
        persons = sum(result.persons for _, result in results)
        dropped: dict[DropReason, int] = {"lag": len(stale), "rate": len(beyond)}
        self._measure(len(results), persons, elapsed_ms, dropped)
        for frame in frames:
            camera_id = frame.ref.camera_id
            if frame.job.id in stale:
                yield frame.job, Done(partial(_record_dropped, camera_id=camera_id, reason="lag"))
            elif frame.job.id in beyond:
                yield frame.job, Done(partial(_record_dropped, camera_id=camera_id, reason="rate"))
            elif frame.job.id in again:
                yield frame.job, Postpone(self._now())
        for job, result in results:
            yield job, Done(batch.writer(result))
        for job, failure in failures.values():
            yield job, Failed(failure)
        for job in late:
            yield job, Postpone(self._now())

    def _overdue(self, frames: Sequence[_Arrived]) -> set[str]:
        """Ids of jobs whose frames waited too long."""
        self._arrivals.saw(frame.ref.camera_id for frame in frames)
        bounded = [
            (frame.job.id, (frame.ref.camera_id, frame.ref.captured_at, frame.rules.max_lag_s))
            for frame in frames
            if frame.rules.max_lag_s is not None
        ]
        cameras = {camera_id for _, (camera_id, _, _) in bounded}
        now, patience = self._now(), self._arrivals.patience
        # The database is not asked about a batch that came in time.
        if not overdue(bounded, dict.fromkeys(cameras, now), now, patience):
            return set()
        last = self._db.read(lambda tx: get_last_frame_times(tx, cameras))
        return overdue(bounded, last, now, patience)

    def _beyond_rate(self, frames: Sequence[_Arrived]) -> set[str]:
        """Ids of jobs whose frames are more than their camera may have judged.

        What is stored can change before these are: `record_frames` decides once more.
        """
        by_camera: dict[tuple[str, float], dict[datetime, str]] = {}
        for frame in frames:
            if frame.rules.max_fps is not None:
                place = frame.ref.camera_id, frame.rules.max_fps
                by_camera.setdefault(place, {})[frame.ref.captured_at] = frame.job.id

        def beyond(tx: Connection) -> set[str]:
            ids: set[str] = set()
            for (camera_id, max_fps), new in by_camera.items():
                stored = list_capture_times(tx, camera_id, windows(new, max_fps))
                ids.update(new[time] for time in choose(new, stored, max_fps).refused)
            return ids

        return self._db.read(beyond) if by_camera else set()

    def _beyond_for_nothing(
        self,
        beyond: set[str],
        frames: Sequence[_Arrived],
        failures: Mapping[str, tuple[Job, HearthError]],
    ) -> set[str]:
        """Which of `beyond` were let go for frames that cannot be read, as is known only now."""
        unreadable = {name for name, (_, error) in failures.items() if not error.retryable}
        if not (beyond and unreadable):
            return set()
        readable = [frame for frame in frames if frame.job.id not in unreadable]
        return beyond - self._beyond_rate(readable)

    def _images(
        self,
        jobs: Sequence[Job],
        policy: Policy,
        deadline: Deadline,
        pictures: list[_Picture],
        failures: dict[str, tuple[Job, HearthError]],
        late: list[Job],
    ) -> Iterator[Bgr]:
        """Yield each picture that can be judged, noting it in `pictures`, others elsewhere."""
        loading: list[tuple[Job, Future[_Picture]]] = [
            (job, self._pool.submit(self._load, job, policy)) for job in jobs
        ]
        for job, future in loading:
            if not deadline.allows(FRAME_RESERVE_S):
                future.cancel()
                late.append(job)
                continue
            try:
                picture = future.result()
            except HearthError as error:
                failures[job.id] = job, error
                continue
            pictures.append(picture)
            yield picture.image

    def _load(self, job: Job, policy: Policy) -> _Picture:
        ref = parse_frame_key(job.payload["key"])
        rules = policy.rules(ref.camera_id)
        try:
            data = self._store.get(job.payload["key"], self._limits.max_bytes)
        except NotFound:
            raise NotFound(
                f"frame {job.payload['key']} was deleted before it was processed"
            ) from None
        image = decode_image(data, self._limits)
        size = image.shape[1], image.shape[0]
        x1, y1, x2, y2 = view = rules.view(size)
        return _Picture(job, ref, image[y1:y2, x1:x2], view, size)

    def _assess(
        self, picture: _Picture, found: Detections, detector: Detector, policy: Policy
    ) -> FrameResult:
        x1, y1 = picture.view[:2]
        boxes = [[a + x1, b + y1, c + x1, d + y1] for a, b, c, d in found.boxes.tolist()]
        return assess(
            picture.job.payload["key"],
            picture.ref.camera_id,
            picture.ref.captured_at,
            _Lists(boxes, found.scores.tolist(), found.class_ids.tolist()),
            detector.info.classes,
            picture.size,
            policy.rules(picture.ref.camera_id),
            self._site,
        )

    def _all_failed(self, jobs: Sequence[Job], error: HearthError) -> Iterable[tuple[Job, Outcome]]:
        logger.error("no frame can be judged", reason=error.message, code=error.code)
        self._remember_failures([(job, error) for job in jobs])
        return [(job, Failed(error)) for job in jobs]

    def _remember_failures(self, failures: Iterable[tuple[Job, HearthError]]) -> None:
        """Count frames that no retry helps, for `/cameras`. The ledger holds the truth, so a
        database that is away does not fail the batch here."""
        by_camera: dict[str, dict[str, tuple[datetime, str]]] = {}
        for job, error in failures:
            try:
                ref = parse_frame_key(job.payload["key"])
            except HearthError:
                continue
            if not error.retryable:
                errors = by_camera.setdefault(ref.camera_id, {})
                errors[job.payload["key"]] = ref.captured_at, error.message

        def record(tx: Connection) -> None:
            for camera_id in sorted(by_camera):
                record_failures(tx, camera_id, by_camera[camera_id], self._now())

        if by_camera:
            try:
                self._db.write(record)
            except HearthError as error:
                logger.warning("failed frames are not counted", reason=error.message)

    # ---- ends of streams ----

    def end(self, job: Job) -> Outcome:
        """A stream's end marker."""
        ref = parse_frame_key(job.payload["key"])
        rules = self._policies.current().rules(ref.camera_id).episode

        def write(work: UnitOfWork) -> None:
            work.add(*record_end(work.tx, ref.camera_id, ref.captured_at, rules))

        return Done(write)


@dataclass(frozen=True)
class _Lists:
    """Detections as plain lists: a frame has few boxes, and NumPy scalars are slow one by one."""

    boxes: list[list[float]]
    scores: list[float]
    class_ids: list[int]


class _Batch:
    """Writes the frames of one batch together, so that incidents are recomputed once.

    The consumer commits all outcomes in one transaction and calls each writer in it. The first
    call stores everything and the others nothing. Should that transaction be given up, each later
    one stores its own frame only, so that one that cannot be stored spoils no other. Storing the
    frame of a job whose lease was lost does no harm: who holds it now stores the same.
    """

    def __init__(
        self,
        ledger: Ledger,
        policy: Policy,
        model: ModelRecord,
        now: Callable[[], datetime],
        results: Sequence[FrameResult],
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._model = model
        self._now = now
        self._results = results
        self._together: UnitOfWork | None = None

    def writer(self, result: FrameResult) -> Callable[[UnitOfWork], None]:
        def write(work: UnitOfWork) -> None:
            if self._together is None:
                self._together = work
                self._store(work, self._results)
            elif work is not self._together:
                self._store(work, [result])

        return write

    def _store(self, work: UnitOfWork, results: Sequence[FrameResult]) -> None:
        by_camera: dict[str, list[FrameResult]] = {}
        for result in results:
            by_camera.setdefault(result.camera_id, []).append(result)
        jobs: list[NewJob] = []
        now = self._now()
        # In one order everywhere, or two transactions could wait for each other.
        for camera_id in sorted(by_camera):
            rules = self._policy.rules(camera_id)
            jobs += record_frames(
                work.tx,
                camera_id,
                by_camera[camera_id],
                self._model,
                rules.episode,
                now,
                rules.max_fps,
            )
        self._ledger.hasten(work.tx, due_watches(jobs, now), now)
        work.add(*jobs)


def _record_dropped(work: UnitOfWork, camera_id: str, reason: DropReason) -> None:
    record_dropped(work.tx, camera_id, reason)


def _arrived(jobs: Sequence[Job], policy: Policy) -> list[_Arrived]:
    """The frames whose keys can be read; the others are refused later, with their reasons."""
    frames = []
    for job in jobs:
        try:
            ref = parse_frame_key(job.payload["key"])
            frames.append(_Arrived(job, ref, policy.rules(ref.camera_id)))
        except HearthError:
            continue
    return frames


def model_record(info: DetectorInfo) -> ModelRecord:
    """What is kept of the model; the id is a digest, so the same model is stored once."""
    body: Mapping[str, Any] = {
        "name": info.name,
        "sha256": info.sha256,
        "model_id": info.model_id,
        "variant": info.variant,
        "precision": info.precision,
        "method": info.method,
        "backend": info.backend,
        "detail": info.detail,
        "classes": list(info.classes),
        "confidence": info.confidence,
        "iou": info.iou,
        "fallback": info.fallback,
        "notes": list(info.notes),
    }
    return ModelRecord(hashlib.sha256(encode_json(body).encode()).hexdigest()[:32], body)
