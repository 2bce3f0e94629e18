"""Queue work of detection: judges batches of frames, and notes where streams end."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from functions.detection.incidents.presence import note_end, note_frames
from functions.detection.incidents.recording import (
    ModelRecord,
    record_dropped,
    record_end,
    record_failures,
    record_frames,
)
from functions.detection.incidents.settle_jobs import due_watches
from functions.detection.intake.admission import Admission
from functions.detection.intake.frame_batch import FrameBatch, LoadedFrame
from functions.detection.intake.loading import FrameLoader
from functions.detection.intake.policy_source import REFRESH_S
from functions.detection.judging.assessment import FrameResult, assess
from functions.detection.policy import CameraRules, Policy
from functions.detection.schemas import DropReason, Site
from hearth.db import encode_json
from hearth.errors import HearthError
from hearth.frames import parse_frame_key
from hearth.ids import utc_now
from hearth.ledger.consumer import Deadline, Done, Failed, Outcome, Postpone
from hearth.ledger.ledger import Job, Ledger, NewJob, UnitOfWork
from hearth.logging import logger
from hearth.storage import ObjectStore
from hearth_vision.class_meaning import what_is_missing
from hearth_vision.detections import Detections
from hearth_vision.detector import Detector, DetectorInfo
from hearth_vision.images import ImageLimits

POLICY_RETRY: Final = timedelta(seconds=REFRESH_S)
"""When frames come again that found no policy which can be read."""

ReportMetrics = Callable[[int, int, float, Mapping[DropReason, int]], None]
"""Judged frames, persons, inference milliseconds and dropped frames of one batch."""


class FrameWorker:
    """Turns frames into stored results and incidents: admit, load, detect, assess, record.

    Args:
        detector: Loads the model on first call and returns the same one afterwards.
        policy: The policy in force.
        site: The site's time zone.
        report_metrics: Called once a batch.
        threads: Frames that are fetched and decoded at once.
        policy_problem: Why an earlier policy is in force; None where it is the file's.
        names: Of the site, for events.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        detector: Callable[[], Detector],
        policy: Callable[[], Policy],
        site: ZoneInfo,
        limits: ImageLimits,
        report_metrics: ReportMetrics,
        threads: int = 4,
        now: Callable[[], datetime] = utc_now,
        policy_problem: Callable[[], str | None] = lambda: None,
        names: Site | None = None,
    ) -> None:
        self._ledger = ledger
        self._policy_problem = policy_problem
        self._names = names or Site()
        self._detector = detector
        self._policy = policy
        self._site = site
        self._report_metrics = report_metrics
        self._now = now
        self._admission = Admission(ledger.db, now)
        self._loader = FrameLoader(store, limits, threads)

    def judge_frames(
        self, jobs: Sequence[Job], deadline: Deadline
    ) -> Iterator[tuple[Job, Outcome]]:
        """A `Work`: all frames of one queue batch."""
        try:
            policy = self._policy()
        except HearthError as error:
            # Nothing is lost while somebody mends it: the frames come again.
            logger.error("frames wait for a policy", reason=error.message, code=error.code)
            yield from ((job, Postpone(self._now() + POLICY_RETRY)) for job in jobs)
            return
        try:
            detector = self._detector()
        except HearthError as error:
            logger.error("no frame can be judged", reason=error.message, code=error.code)
            batch = FrameBatch(failed=[(job, error) for job in jobs])
            self._record_failures(batch.failed)
            yield from self._outcomes(batch)
            return
        batch = self._admission.admit(jobs, policy)
        started = time.perf_counter()
        # The model works on one image while threads load the next ones.
        found = detector.detect(self._loader.load(batch, deadline))
        elapsed_ms = (time.perf_counter() - started) * 1000
        results = self._assess(batch.loaded, found, detector.info.classes)
        self._report(batch, results, elapsed_ms)
        self._record_failures(batch.failed)
        model = partial(model_record, detector.info, policy_problem=self._policy_problem())
        writer = BatchWriter(self._ledger, policy, model, results, self._now, self._names)
        for loaded, result in zip(batch.loaded, results, strict=True):
            yield loaded.frame.job, Done(writer.write_once(result))
        yield from self._outcomes(batch)

    def _assess(
        self, frames: Sequence[LoadedFrame], found: Sequence[Detections], classes: Sequence[str]
    ) -> list[FrameResult]:
        results = []
        for loaded, detections in zip(frames, found, strict=True):
            ref, (x1, y1, _, _) = loaded.frame.ref, loaded.view
            boxes = [[a + x1, b + y1, c + x1, d + y1] for a, b, c, d in detections.boxes.tolist()]
            results.append(
                assess(
                    loaded.frame.job.payload["key"],
                    ref.camera_id,
                    ref.captured_at,
                    _Lists(boxes, detections.scores.tolist(), detections.class_ids.tolist()),
                    classes,
                    loaded.size,
                    loaded.frame.rules.on_frame(ref.captured_at, self._site, loaded.size),
                )
            )
        return results

    def _report(self, batch: FrameBatch, results: Sequence[FrameResult], elapsed_ms: float) -> None:
        dropped: dict[DropReason, int] = {"lag": 0, "rate": 0}
        for _, reason in batch.dropped:
            dropped[reason] += 1
        persons = sum(result.persons for result in results)
        self._report_metrics(len(results), persons, elapsed_ms, dropped)

    def _outcomes(self, batch: FrameBatch) -> Iterator[tuple[Job, Outcome]]:
        """What becomes of the frames that were not judged."""
        for frame, reason in batch.dropped:
            yield frame.job, Done(partial(_count_dropped, frame.ref.camera_id, reason))
        for job, error in batch.failed:
            yield job, Failed(error)
        for job in batch.to_retry:
            yield job, Postpone(self._now())

    def _record_failures(self, failures: Iterable[tuple[Job, HearthError]]) -> None:
        """Count frames that no retry can save, for `/cameras`.

        The ledger holds the truth, so a database that does not answer fails no batch here.
        """
        by_camera: dict[str, dict[str, tuple[datetime, str]]] = {}
        for job, error in failures:
            try:
                ref = parse_frame_key(job.payload["key"])
            except HearthError:
                continue
            if not error.retryable:
                errors = by_camera.setdefault(ref.camera_id, {})
                errors[job.payload["key"]] = ref.captured_at, error.message

        def record(work: UnitOfWork) -> None:
            for camera_id in sorted(by_camera):
                record_failures(work.tx, camera_id, by_camera[camera_id], self._now())

        if by_camera:
            try:
                self._ledger.transact(record)
            except HearthError as error:
                logger.warning("failed frames are not counted", reason=error.message)

    def end_stream(self, job: Job) -> Outcome:
        """A stream's end marker."""
        ref = parse_frame_key(job.payload["key"])
        try:
            policy = self._policy()
        except HearthError:
            return Postpone(self._now() + POLICY_RETRY)
        rules = policy.rules(ref.camera_id).episode

        def write(work: UnitOfWork) -> None:
            work.add(*record_end(work.tx, ref.camera_id, ref.captured_at, rules))
            note_end(work, ref.camera_id, self._now())

        return Done(write)


@dataclass(frozen=True)
class _Lists:
    """Detections as plain lists: a frame has few boxes, and NumPy scalars are slow one by one."""

    boxes: list[list[float]]
    scores: list[float]
    class_ids: list[int]


class BatchWriter:
    """Stores the results of one batch together, so that incidents are recomputed once.

    The consumer commits all outcomes in one transaction and calls each writer in it. The first
    call stores everything and the others nothing. When that transaction fails, each later one
    stores its own frame only, so that a frame that cannot be stored spoils no other. Storing the
    frame of a job whose lease was lost does no harm: who holds it now stores the same.
    """

    def __init__(
        self,
        ledger: Ledger,
        policy: Policy,
        model: Callable[[CameraRules], ModelRecord],
        results: Sequence[FrameResult],
        now: Callable[[], datetime],
        names: Site,
    ) -> None:
        self._ledger = ledger
        self._names = names
        self._policy = policy
        self._model = model
        self._results = results
        self._now = now
        self._first: UnitOfWork | None = None

    def write_once(self, result: FrameResult) -> Callable[[UnitOfWork], None]:
        """The `write` of one frame's job."""

        def write(work: UnitOfWork) -> None:
            if self._first is None:
                self._first = work
                self._store(work, self._results)
            elif work is not self._first:
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
            model = self._model(rules)
            jobs += record_frames(
                work.tx, camera_id, by_camera[camera_id], model, rules.episode, now, rules.dwell
            )
            note_frames(work, camera_id, rules.silent_after_s, self._names, now)
        self._ledger.hasten(work.tx, due_watches(jobs, now), now)
        work.add(*jobs)


def _count_dropped(camera_id: str, reason: DropReason, work: UnitOfWork) -> None:
    record_dropped(work.tx, camera_id, reason)


def model_record(
    info: DetectorInfo, rules: CameraRules, policy_problem: str | None = None
) -> ModelRecord:
    """What is stored of a model; the id is a digest, so the same model is stored once.

    Its notes also say what a camera's rules ask and the model cannot show, and that an earlier
    policy judged.
    """
    # What the model that Hearth brings does not know stands in its own notes.
    problems = [] if info.fallback else what_is_missing(info.classes, rules.required_anywhere)
    if policy_problem:
        problems.append(f"the policy as it was before judges: {policy_problem}")
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
        "notes": [*info.notes, *problems],
    }
    return ModelRecord(hashlib.sha256(encode_json(body).encode()).hexdigest()[:32], body)
