"""Work on large sets of rows, as its callers see it: begun, followed, cancelled.

A job is one of the ledger. A cancellation is a row beside it, which the worker looks for once a
second; a job that stopped for it is one that failed with the code CANCELLED, and stays so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from functions.clustering.limits import JOB_ATTEMPTS, MAX_ANSWER_BYTES, MAX_FILE_BYTES
from functions.clustering.reading import dataset_key
from functions.clustering.repository import cancellations
from functions.clustering.saved.library import Library
from functions.clustering.schemas import (
    JobOut,
    JobPayload,
    JobStatus,
    Operation,
    ProblemOut,
    Request,
    ScoreIn,
)
from hearth.errors import Conflict, Forbidden, NotFound
from hearth.http.auth import Principal
from hearth.ids import new_ulid, utc_now
from hearth.ledger.ledger import Job, JobState, Ledger, NewJob, UnitOfWork
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

QUEUE: Final = "clustering"
KIND: Final = "clustering.run"
CANCELLED: Final = "CANCELLED"
MANAGE: Final = "clustering:manage"


def result_key(job_id: str) -> str:
    """Where a job's result lies in the bucket: the same for each attempt."""
    return f"clustering/results/{job_id}.json"


class JobDesk:
    """Takes orders and tells how they are going.

    Args:
        ledger: The jobs.
        store: The bucket, with inputs and results.
        library: The saved models.
        bucket: Its name.
        now: The present, timezone-aware.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        library: Library,
        bucket: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._library = library
        self._bucket = bucket
        self._now = now

    def begin(self, principal: Principal, operation: Operation, request: Request) -> JobOut:
        """Make a job of a request with `input`.

        Raises:
            InvalidInput: An address outside the bucket's folder, or parameters that do not fit.
            NotFound: There is no such file, or no such model.
            TooLarge: The file is.
            Forbidden: Saving without the permission.
        """
        key = dataset_key(str(request.input), self._bucket)
        if isinstance(request, ScoreIn):
            # A name may stand for another model by the time that the job runs.
            request = request.model_copy(
                update={"model": self._library.find(request.model).model_id}
            )
        else:
            request.parameters()
            if request.save_as is not None and not principal.may(MANAGE):
                raise Forbidden(f"save_as needs the permission {MANAGE}, which you do not have")
        self._store.open(key, MAX_FILE_BYTES).close()
        payload = JobPayload(
            operation=operation,
            key=key,
            request=request.model_dump(mode="json", exclude={"data"}, exclude_defaults=True),
            requested_by=principal.id,
        )
        new = NewJob(
            KIND,
            QUEUE,
            f"{KIND}:{new_ulid()}",
            payload.model_dump(mode="json"),
            max_attempts=JOB_ATTEMPTS,
        )

        def write(work: UnitOfWork) -> Job:
            work.add(new)
            (job,) = work.flush()
            return job

        return self._shown(self._ledger.transact(write, principal.id))

    def get(self, principal: Principal, job_id: str) -> JobOut:
        """How a job is going.

        Raises:
            NotFound: No such job, or another's.
        """
        return self._shown(self._job(principal, job_id))

    def result(self, principal: Principal, job_id: str) -> bytes:
        """JSON of a job's answer.

        Raises:
            NotFound: No such job, or another's.
            Conflict: It is not done.
            TooLarge: More than an answer holds; it lies in the bucket.
        """
        job = self._shown(self._job(principal, job_id))
        if job.status != "done":
            raise Conflict(f"job {job_id} is {job.status}; it has no result")
        return self._store.get(job.result_key, MAX_ANSWER_BYTES)

    def cancel(self, principal: Principal, job_id: str) -> JobOut:
        """Ask a job to stop; its worker does so within seconds. Again changes nothing.

        Raises:
            NotFound: No such job, or another's.
            Conflict: It has ended already.
        """
        job = self._job(principal, job_id)
        if job.state in (JobState.DONE, JobState.FAILED):
            shown = self._shown(job)
            if shown.status == "cancelled":
                return shown
            raise Conflict(f"job {job_id} is {shown.status}; it cannot be cancelled any more")
        now = self._now()
        self._ledger.db.write(lambda tx: cancellations.ask(tx, job_id, principal.id, now))
        return self._shown(self._job(principal, job_id))

    def _job(self, principal: Principal, job_id: str) -> Job:
        job = self._ledger.get(job_id)
        mine = job.kind == KIND and job.payload["requested_by"] == principal.id
        if job.kind != KIND or not (mine or principal.may(MANAGE)):
            raise NotFound(f"job {job_id[:80]!r} does not exist")
        return job

    def _shown(self, job: Job) -> JobOut:
        payload = JobPayload.model_validate(dict(job.payload))

        def asked(tx: Connection) -> bool:
            return cancellations.is_asked(tx, job.id)

        status = _status(job, self._ledger.db.read(asked))
        error = job.error if status in ("failed", "cancelled") else None
        return JobOut(
            job_id=job.id,
            operation=payload.operation,
            input=f"s3://{self._bucket}/{payload.key}",
            status=status,
            progress=job.progress,
            attempts=job.attempts,
            error=ProblemOut(
                code=error.code,
                message=error.message,
                details=[dict(detail) for detail in error.details],
            )
            if error
            else None,
            result_url=f"/api/v1/clustering/jobs/{job.id}/result" if status == "done" else None,
            result_key=result_key(job.id),
            created_at=job.created_at,
            updated_at=job.updated_at,
            finished_at=job.finished_at,
        )


def _status(job: Job, cancelling: bool) -> JobStatus:
    match job.state:
        case JobState.DONE:
            return "done"
        case JobState.FAILED:
            return "cancelled" if job.error and job.error.code == CANCELLED else "failed"
        case JobState.RUNNING:
            return "cancelling" if cancelling else "running"
        case JobState.QUEUED:
            return "cancelling" if cancelling else "queued"
