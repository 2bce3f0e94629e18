from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from functions.sweep.prune import Pruner
from functions.sweep.reconcile import Limits, Reconciler
from functions.sweep.repository import SweepRepository
from functions.sweep.repository import metadata as sweep_tables
from functions.sweep.schemas import SweepReport
from functions.sweep.service import Sweep
from hearth.db import Database
from hearth.frames import FrameKind, frame_key
from hearth.ledger.ledger import Ledger
from hearth.ledger.table import metadata as job_tables
from hearth.retention import Retention
from tests.support.fakes import Clock, MemoryQueues, MemoryStore

PLENTY_S = 50.0


@dataclass
class House:
    """A bucket, a queue and a ledger, and the sweep between them."""

    db: Database
    clock: Clock
    store: MemoryStore
    queues: MemoryQueues
    ledger: Ledger

    def sweep(self, limits: Limits | None = None) -> Sweep:
        frames = Reconciler(self.ledger, self.store, SweepRepository(), limits, self.clock)
        return Sweep(self.ledger, frames, Pruner(self.ledger, Retention()))

    def swept(self, limits: Limits | None = None, seconds: float = PLENTY_S) -> SweepReport:
        return self.sweep(limits).run(lambda: seconds)

    def upload(self, key: str, age_s: float = 60) -> str:
        self.store.put(key, b"", "image/jpeg")
        self.store.times[key] = self.clock() - timedelta(seconds=age_s)
        return key

    def frame(
        self,
        camera: str = "gate",
        second: int = 0,
        age_s: float = 60,
        kind: FrameKind = FrameKind.FRAME,
    ) -> str:
        """Upload the frame captured `second` s after the day began, `age_s` s ago."""
        captured = datetime(2026, 11, 2, tzinfo=self.clock().tzinfo) + timedelta(seconds=second)
        return self.upload(frame_key(camera, captured, kind), age_s)

    def hints(self) -> list[str]:
        """The dedupe keys of the jobs that were announced since the last call, in order."""
        return [
            self.ledger.get(message.body["job_id"]).dedupe_key
            for message in self.queues.take("detection")
        ]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    db = Database(f"sqlite:///{tmp_path}/hearth.db")
    job_tables.create_all(db.engine)
    sweep_tables.create_all(db.engine)
    clock = Clock()
    queues = MemoryQueues()
    yield House(db, clock, MemoryStore(), queues, Ledger(db, queues, now=clock))
    db.close()
