"""Does the jobs: reads the file, computes, stores result and model.

A worker that is killed leaves its lease behind; the sweep announces the job again, and another one
begins anew. Keys and bytes are the same then, so nothing is left over. It computes in a process of
its own, and once a second tells the ledger how far it is; a cancellation, a lease that was lost or
the end of its time kill that process, in the middle of a stage or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from functions.clustering import computing
from functions.clustering.bounded import Tell, run_bounded
from functions.clustering.computing import Keeping
from functions.clustering.jobs import CANCELLED, result_key
from functions.clustering.reading import read_table
from functions.clustering.repository import cancellations
from functions.clustering.rows import column_names
from functions.clustering.saved.library import Library
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
"""Parts of the progress."""
TOLD_EVERY_S = 0.9
"""Less than a second, which is how often the child is looked after."""
RESULT_TYPE = "application/json"


class Cancelled(Conflict):
    """Somebody asked the job to stop."""

    code = CANCELLED


class Worker:
    """Works on one job at a time.

    Args:
        ledger: The jobs.
        store: The bucket.
        library: The saved models.
        clock: Seconds; how often progress is told.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        library: Library,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._library = library
        self._clock = clock

    def work(self, jobs: Sequence[Job], deadline: Deadline) -> Iterator[tuple[Job, Outcome]]:
        """A `Work`."""
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
        computing.prepare(request, keeps=isinstance(request, ScoreIn) or bool(request.save_as))
        answer, *kept = run_bounded(
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
        self._library.put_file(manifest, kept[1])

        def write(work: UnitOfWork) -> None:
            self._library.add(work.tx, manifest)

        return Done(write)

    def _computation(
        self, job: Job, payload: JobPayload, request: Request, table: Table
    ) -> Callable[[Tell], Sequence[bytes]]:
        """What the child does; all that S3 and the database have to do with it is done before."""
        notes = (f"{payload.key}: {len(table.values)} rows, read as {table.values.dtype}",)
        if isinstance(request, ScoreIn):
            manifest = self._library.find(request.model)
            file = self._library.file(manifest)
            return lambda _: computing.score(manifest, file, table, notes, timed=False).parts()
        keeping = None
        if request.save_as is not None:
            # The same in each attempt, so that a repeat overwrites.
            model_id = ulid_from(job.created_at, job.id)
            keeping = Keeping(model_id, request.save_as, job.created_at, payload.requested_by)
        return lambda tell: computing.fit(request, table, keeping, notes, tell, timed=False).parts()

    def _checks(self, job: Job, deadline: Deadline) -> Tell:
        began = deadline.remaining()
        last: list[tuple[str, float]] = []

        def check(stage: str, progress: float) -> None:
            if deadline.remaining() <= 0:
                raise TimedOut(
                    f"the job took longer than its {began:.0f} s, up to: {stage}; use fewer rows "
                    "or another algorithm"
                )
            now = self._clock()
            if last and last[0][0] == stage and now - last[0][1] < TOLD_EVERY_S:
                return
            last[:] = [(stage, now)]
            if self._ledger.db.read(lambda tx: cancellations.is_asked(tx, job.id)):
                raise Cancelled(f"the job was cancelled, in the stage: {stage}")
            self._ledger.progress(job, progress)

        return check


def _at(part: tuple[float, float], done: float) -> float:
    return part[0] + (part[1] - part[0]) * min(1.0, max(0.0, done))
