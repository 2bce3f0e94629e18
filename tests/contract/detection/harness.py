"""Harness: the detection function on a real database, with a scripted detector."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import select

from functions.detection.handler import make_handler
from functions.detection.incidents.alerting import AlertService
from functions.detection.incidents.presence import PresenceService
from functions.detection.incidents.settling import EvidenceSettings, SettleService
from functions.detection.policy import Policy, parse_policy
from functions.detection.prune import PruneService
from functions.detection.repository import tables
from functions.detection.repository.cameras import list_cameras
from functions.detection.schemas import Site
from functions.detection.wiring import work_by_kind
from functions.detection.worker import FrameWorker
from hearth.db import Database
from hearth.frames import FrameKind, frame_key
from hearth.ledger.consumer import Consumer
from hearth.ledger.events import Publisher, received
from hearth.ledger.ledger import Job, JobState, Ledger
from hearth.retention import Retention
from hearth_vision.detections import Detections
from hearth_vision.detector import DetectorInfo
from hearth_vision.images import Bgr, ImageLimits, encode_jpeg
from tests.support.fakes import Clock, LambdaContext, MemoryQueues, MemoryStore, sqs_event

CLASSES = ("Person", "helmet", "no_helmet", "vest")
INFO = DetectorInfo(
    name="script",
    sha256="0" * 64,
    method="yolov8-onnx",
    backend="onnxruntime",
    detail="plays a script",
    classes=CLASSES,
    input_size=(640, 640),
    confidence=0.3,
    iou=0.45,
    fallback=False,
    notes=(),
)
SUBSCRIBERS = {"safety.violation.detected": ["reports", "analytics"]}
DAYS = 10
"""After which the bucket expires frames."""
RESTRICTED = b"""
defaults: {required: [], restricted: true, episode: {gap_s: 2, max_s: 30, idle_after_s: 20}}
"""


class ScriptedDetector:
    """Finds as many people as the tens of the image's grey value."""

    info = INFO

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, images: Iterable[Bgr]) -> list[Detections]:
        return [self._one(image) for image in images]

    def _one(self, image: Bgr) -> Detections:
        self.seen += 1
        people, score = divmod(round(float(image.mean())), 10)
        if not people:
            return Detections.empty()
        boxes = [[10 + 60 * n, 20, 60 + 60 * n, 200] for n in range(people)]
        return Detections(
            np.array(boxes, np.float32),
            np.full(people, 0.5 + score / 20, np.float32),
            np.zeros(people, np.int64),
        )


def frame_jpeg(people: int, score: int = 8) -> bytes:
    """A frame on which the detector finds `people` with a score of 0.5 + `score` / 20."""
    return encode_jpeg(np.full((240, 400, 3), people * 10 + score, np.uint8))


@dataclass
class DetectionHarness:
    """Everything around the handler; `drain` plays the queue until nothing is due."""

    db: Database
    policy: Policy = field(default_factory=lambda: parse_policy(RESTRICTED))
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(default_factory=MemoryStore)
    queues: MemoryQueues = field(default_factory=MemoryQueues)
    detector: ScriptedDetector = field(default_factory=ScriptedDetector)
    subscribers: Mapping[str, Sequence[str]] = field(default_factory=lambda: SUBSCRIBERS)

    def __post_init__(self) -> None:
        publisher = Publisher("detection", self.subscribers)
        self.ledger = Ledger(self.db, self.queues, self.clock, publisher=publisher)
        self.start = self.clock()
        self.announced: list[str] = []

    def current(self) -> Policy:
        return self.policy

    def handler(self, load: Callable[[], Any] | None = None) -> Consumer:
        """One worker."""
        frames = FrameWorker(
            self.ledger,
            self.store,
            load or (lambda: self.detector),
            self.current,
            ZoneInfo("UTC"),
            ImageLimits(),
            lambda frames, persons, inference_ms, dropped: None,
            now=self.clock,
        )
        evidence = EvidenceSettings(
            "hearth",
            Site(site_name="Yard"),
            ZoneInfo("UTC"),
            ImageLimits(),
            None,
            "not blurred",
            clip_seconds=2,
        )
        settling = SettleService(
            self.ledger,
            self.store,
            self.current,
            lambda: evidence,
            self.clock,
        )
        alerts = AlertService(self.ledger, self.store, self.current, lambda: evidence)
        presence = PresenceService(self.ledger, self.current, Site(site_name="Yard"), self.clock)
        pruning = PruneService(self.db, Retention(DAYS), self.clock)
        return make_handler(self.ledger, work_by_kind(frames, settling, alerts, presence, pruning))

    # ---- cameras ----

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(seconds=seconds)

    def upload(self, seconds: float, data: bytes, camera: str = "gate") -> str:
        """Put one frame into the bucket; its notification waits in `announced`."""
        return self._put(frame_key(camera, self.at(seconds)), data)

    def end(self, seconds: float, camera: str = "gate") -> str:
        key = frame_key(camera, self.at(seconds) + timedelta(microseconds=1), FrameKind.END)
        return self._put(key, b'{"frames": 1}')

    def _put(self, key: str, data: bytes) -> str:
        self.store.put(key, data, "image/jpeg")
        self.store.times[key] = self.clock()
        self.announced.append(key)
        return key

    # ---- queue and clock ----

    def drain(self, worker: Consumer | None = None, shuffle: random.Random | None = None) -> None:
        """Deliver S3 and job notifications that are due, in batches of ten."""
        worker = worker or self.handler()
        waiting = [*map(notification, self.announced), *self.due()]
        self.announced = []
        if shuffle is not None:
            shuffle.shuffle(waiting)
        while waiting:
            batch, waiting = waiting[:10], waiting[10:]
            answer = worker(sqs_event(*batch), LambdaContext())
            assert answer == {"batchItemFailures": []}
            waiting += self.due()
            if shuffle is not None:
                shuffle.shuffle(waiting)

    def run_two_workers(self, rng: random.Random) -> None:
        """Deliver the shuffled notifications to two workers at once, in batches of ten."""
        messages = [notification(key) for key in self.announced]
        self.announced = []
        rng.shuffle(messages)
        failures: list[BaseException] = []

        def work(mine: list[dict[str, Any]]) -> None:
            worker = self.handler()
            try:
                for start in range(0, len(mine), 10):
                    batch = mine[start : start + 10]
                    assert worker(sqs_event(*batch), LambdaContext()) == {"batchItemFailures": []}
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(messages[n::2],)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []

    def due(self) -> list[dict[str, Any]]:
        """Job notifications without a delay; the others are left to `pass_time`."""
        now = [m for m in self.queues.sent if m.queue == "detection" and not m.delay_s]
        self.queues.sent = [m for m in self.queues.sent if m not in now]
        return [message.body for message in now]

    def pass_time(self, seconds: float, worker: Consumer | None = None) -> None:
        """Move the clock and let the sweep send what is due then."""
        self.clock.advance(seconds)
        worker = worker or self.handler()
        for _ in range(10):
            jobs = [job for job in self.ledger.due(100) if job.queue == "detection"]
            if not jobs:
                return
            notices = [{"job_id": job.id, "kind": job.kind} for job in jobs]
            for start in range(0, len(notices), 10):
                worker(sqs_event(*notices[start : start + 10]), LambdaContext())
            self.drain(worker)

    # ---- results ----

    def jobs(self, kind: str) -> list[Job]:
        return sorted(self.ledger.list(kind=kind, limit=100).jobs, key=lambda job: job.dedupe_key)

    def unfinished(self) -> list[Job]:
        """Jobs of this function that are still to be done."""
        waiting = [JobState.QUEUED, JobState.RUNNING]
        listed = [job for state in waiting for job in self.ledger.list(state, limit=100).jobs]
        return [job for job in listed if job.queue == "detection"]

    def incidents(self) -> list[Any]:
        query = select(tables.incidents).order_by(tables.incidents.c.id)
        rows: Sequence[Any] = self.db.read(lambda tx: tx.execute(query).all())
        return [row for row in rows if row.state != tables.CANDIDATE]

    def camera(self, camera_id: str = "gate") -> Any:
        rows = self.db.read(list_cameras)
        return next(row for row in rows if row.camera_id == camera_id)

    def events(self) -> list[dict[str, Any]]:
        """The data of the events that `reports` received."""
        sent = [job for job in self.jobs("safety.violation.detected") if job.queue == "reports"]
        return [dict(received(job.payload).data) for job in sent]

    def facts(self) -> str:
        """Everything that must not depend on the order of arrival, as text."""
        rows = [
            (row.id, row.state, row.frames, row.persons_max, row.end_reason, row.evidence)
            for row in self.incidents()
        ]
        counted = [
            [value for name, value in row._mapping.items() if name != "changes"]
            for row in self.db.read(list_cameras)
        ]
        return json.dumps([rows, counted, self.events()], default=str, sort_keys=True)


def notification(key: str) -> dict[str, Any]:
    """S3's message for one new object."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "hearth"}, "object": {"key": key, "size": 1}},
            }
        ]
    }
