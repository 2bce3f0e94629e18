"""Queue work: reads a job's file, computes, stores result and model.

The lease of a worker that is killed expires; the sweep announces the job again, and another worker
starts over with the same keys and bytes. Algorithms run in a child process; once a second the
worker reports progress to the ledger. A cancellation, a lost lease or the end of its time kill the
child, even in the middle of a stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from functions.clustering import computing
from functions.clustering.child_process import ReportProgress, run_in_child_process
from functions.clustering.computing import SaveOptions
from functions.clustering.jobs import CANCELLED, result_key
from functions.clustering.reading import read_table
from functions.clustering.repository import cancellations
from functions.clustering.rows import column_names
from functions.clustering.saved.registry import ModelRegistry
from functions.clustering.schemas import REQUESTS, JobPayload, Manifest, Request, ScoreIn
from hearth.errors import Conflict, TimedOut
from hearth.ids import ulid_from
from hearth.ledger.consumer import Deadline, Done, Outcome, guarded
from hearth.ledger.ledger import Job, Ledger, UnitOfWork
from hearth.parsing import parse_model
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from functions.clustering.algorithms.matrix import Table

READING = (0.0, 0.3)
COMPUTING = (0.3, 0.95)
"""Shares of the progress."""
PROGRESS_INTERVAL_S = 0.9
"""Less than a second, which is the interval at which the child is polled."""
RESULT_TYPE = "application/json"


class Cancelled(Conflict):
    """The job was cancelled."""

    code = CANCELLED


class Worker:
    """Runs one job at a time.

    Args:
        clock: A monotonic clock, in seconds, for the interval of progress reports.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        registry: ModelRegistry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._registry = registry
        self._clock = clock

    def work(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """Run the jobs of a batch."""
        for job in jobs:
            yield job, guarded(partial(self._run, deadline=deadline), job)

    def _run(self, job: Job, deadline: Deadline) -> Outcome:
        payload = parse_model(JobPayload, job.payload, "the clustering job")
        request = parse_model(REQUESTS[payload.operation], payload.request, "the job's request")
        check = self._checks(job, deadline)
        check("reading the rows", READING[0])
        table = read_table(
            self._store, payload.key, lambda done: check("reading the rows", _at(READING, done))
        )
        if request.feature_names is not None:
            names = column_names(len(table.columns), request.feature_names)
            table = type(table)(table.values, names)
        check("computing", COMPUTING[0])
        compute = self._computation(job, payload, request, table)
        computing.prepare(
            request, saves_model=isinstance(request, ScoreIn) or bool(request.save_as)
        )
        answer, *kept = run_in_child_process(
            compute,
            deadline.remaining(),
            computing.name_of(request),
            lambda stage, done: check(stage or "computing", _at(COMPUTING, done)),
        )
        check("storing the result", COMPUTING[1])
        self._store.put(result_key(job.id), answer, RESULT_TYPE)
        if not kept:
            return Done()
        manifest = Manifest.model_validate_json(kept[0])
        self._registry.put_file(manifest, kept[1])

        def write(work: UnitOfWork) -> None:
            self._registry.add(work.tx, manifest)

        return Done(write)

    def _computation(
        self, job: Job, payload: JobPayload, request: Request, table: Table
    ) -> Callable[[ReportProgress], Sequence[bytes]]:
        """Return what the child process runs; S3 and the database are read before."""
        notes = (f"{payload.key}: {len(table.values)} rows, read as {table.values.dtype}",)
        if isinstance(request, ScoreIn):
            manifest = self._registry.find(request.model)
            file = self._registry.file(manifest)
            return lambda _: computing.score(manifest, file, table, notes, timed=False).parts()
        save_options = None
        if request.save_as is not None:
            # The same in each attempt, so that a retry overwrites.
            model_id = ulid_from(job.created_at, job.id)
            save_options = SaveOptions(
                model_id, request.save_as, job.created_at, payload.requested_by
            )
        return lambda tell: computing.fit(
            request, table, save_options, notes, tell, timed=False
        ).parts()

    def _checks(self, job: Job, deadline: Deadline) -> ReportProgress:
        began = deadline.remaining()
        last: list[tuple[str, float]] = []

        def check(stage: str, progress: float) -> None:
            if deadline.remaining() <= 0:
                raise TimedOut(
                    f"the job took longer than its {began:.0f} s, up to: {stage}; use fewer rows "
                    "or another algorithm"
                )
            now = self._clock()
            if last and last[0][0] == stage and now - last[0][1] < PROGRESS_INTERVAL_S:
                return
            last[:] = [(stage, now)]
            if self._ledger.db.read(lambda tx: cancellations.is_cancellation_requested(tx, job.id)):
                raise Cancelled(f"the job was cancelled, in the stage: {stage}")
            self._ledger.progress(job, progress)

        return check


def _at(part: tuple[float, float], done: float) -> float:
    return part[0] + (part[1] - part[0]) * min(1.0, max(0.0, done))
