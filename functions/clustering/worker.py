"""Does the jobs: reads the file, computes, stores result and model.

A worker that is killed leaves its lease behind; the sweep announces the job again, and another one
begins anew. Keys and bytes are the same then, so nothing is left over. Between stages it shows how
far it is, and stops for a cancellation, a lease that was lost, or the end of its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError

from functions.clustering import computing
from functions.clustering.computing import Check, Computed, Keeping
from functions.clustering.jobs import CANCELLED, result_key
from functions.clustering.reading import read_table
from functions.clustering.repository import cancellations
from functions.clustering.rows import column_names
from functions.clustering.saved.library import Library
from functions.clustering.schemas import REQUESTS, JobPayload, Request, ScoreIn
from hearth.consumer import Deadline, Done, Outcome, guarded
from hearth.errors import Conflict, InvalidInput, TimedOut
from hearth.ids import ulid_from
from hearth.jobs import Job, Ledger
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from functions.clustering.algorithms.matrix import Table

READING = (0.0, 0.3)
COMPUTING = (0.3, 0.95)
"""Parts of the progress."""
TOLD_EVERY_S = 1.0
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
        payload = _payload(job)
        check = self._checks(job, deadline)
        check("reading the rows", READING[0])
        table = read_table(
            self._store, payload.key, lambda done: check("reading the rows", _at(READING, done))
        )
        computed = self._computed(job, payload, table, check)
        check("storing the result", COMPUTING[1])
        self._store.put(result_key(job.id), computed.answer, RESULT_TYPE)
        if computed.model is None or computed.manifest is None:
            return Done()
        manifest = computed.manifest
        self._library.put_file(manifest, computed.model)

        def write(tx: Connection) -> None:
            self._library.add(tx, manifest)

        return Done(write)

    def _computed(self, job: Job, payload: JobPayload, table: Table, check: Check) -> Computed:
        from functions.clustering.algorithms.matrix import Table as TableOf

        request = _request(payload)
        if request.feature_names is not None:
            names = column_names(len(table.columns), request.feature_names)
            table = TableOf(table.values, names)
        notes = (f"{payload.key}: {len(table.values)} rows, read as {table.values.dtype}",)
        check("computing", COMPUTING[0])
        if isinstance(request, ScoreIn):
            manifest = self._library.find(request.model)
            return computing.score(manifest, self._library.file(manifest), table, notes, False)
        keeping = None
        if request.save_as is not None:
            # The same in each attempt, so that a repeat overwrites.
            model_id = ulid_from(job.created_at, job.id)
            keeping = Keeping(model_id, request.save_as, job.created_at, payload.requested_by)

        def scaled(stage: str, done: float) -> None:
            check(stage, _at(COMPUTING, done))

        return computing.fit(request, table, keeping, notes, scaled, timed=False)

    def _checks(self, job: Job, deadline: Deadline) -> Check:
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
                raise Cancelled(f"the job was cancelled before: {stage}")
            self._ledger.progress(job, progress)

        return check


def _payload(job: Job) -> JobPayload:
    try:
        return JobPayload.model_validate(dict(job.payload))
    except ValidationError as error:
        raise InvalidInput(f"the job carries no order: {error.errors()[0]['msg']}") from error


def _request(payload: JobPayload) -> Request:
    try:
        return REQUESTS[payload.operation].model_validate(payload.request)
    except ValidationError as error:
        raise InvalidInput(f"the job's request is wrong: {error.errors()[0]['msg']}") from error


def _at(part: tuple[float, float], done: float) -> float:
    return part[0] + (part[1] - part[0]) * min(1.0, max(0.0, done))
