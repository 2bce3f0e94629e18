"""Clustering jobs on large sets of rows: creates them, reports their status, cancels them.

A job is one of the ledger. A cancellation is a row beside it, which the worker looks up once a
second; a job that stopped for it has failed with the code CANCELLED.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from functions.clustering.limits import JOB_ATTEMPTS, MAX_ANSWER_BYTES, MAX_FILE_BYTES
from functions.clustering.reading import dataset_key
from functions.clustering.repository import cancellations
from functions.clustering.saved.registry import ModelRegistry
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
from hearth.ids import new_ulid, utc_now
from hearth.ledger.ledger import Job, JobState, Ledger, NewJob, UnitOfWork
from hearth.principal import Principal
from hearth.storage import ObjectStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

QUEUE: Final = "clustering"
KIND: Final = "clustering.run"
CANCELLED: Final = "CANCELLED"
MANAGE: Final = "clustering:manage"


def result_key(job_id: str) -> str:
    """Return the key of a job's result, which is the same for each attempt."""
    return f"clustering/results/{job_id}.json"


class ClusteringJobs:
    """Creates jobs and reports their status.

    Args:
        bucket: The bucket's name.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        registry: ModelRegistry,
        bucket: str,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._registry = registry
        self._bucket = bucket
        self._now = now

    def create(self, principal: Principal, operation: Operation, request: Request) -> JobOut:
        """Create a job from a request with `input`.

        Raises:
            InvalidInput: The address is outside the bucket's folder, or parameters do not fit.
            NotFound: The file or the model does not exist.
            TooLarge: The file is too large.
            Forbidden: Saving a model needs a permission that the caller lacks.
        """
        key = dataset_key(str(request.input), self._bucket)
        if isinstance(request, ScoreIn):
            # Resolved now, because the name may be given to another model before the job runs.
            request = request.model_copy(
                update={"model": self._registry.find(request.model).model_id}
            )
        else:
            request.parameters()
            if request.save_as is not None and not principal.may(MANAGE):
                raise Forbidden(
                    f"save_as needs the permission {MANAGE}, which the caller does not have"
                )
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

        return self._to_response(self._ledger.transact(write, principal.id))

    def get(self, principal: Principal, job_id: str) -> JobOut:
        """Return the status of a job.

        Raises:
            NotFound: The job does not exist, or is another caller's.
        """
        return self._to_response(self._job(principal, job_id))

    def result(self, principal: Principal, job_id: str) -> bytes:
        """Return the JSON of a job's result.

        Raises:
            NotFound: The job does not exist, or is another caller's.
            Conflict: The job is not done.
            TooLarge: The result does not fit into a response; fetch it from the bucket.
        """
        job = self._to_response(self._job(principal, job_id))
        if job.status != "done":
            raise Conflict(f"job {job_id} is {job.status}; it has no result")
        return self._store.get(job.result_key, MAX_ANSWER_BYTES)

    def cancel(self, principal: Principal, job_id: str) -> JobOut:
        """Request the cancellation of a job; its worker stops within seconds. Idempotent.

        Raises:
            NotFound: The job does not exist, or is another caller's.
            Conflict: The job has ended already.
        """
        job = self._job(principal, job_id)
        if job.state in (JobState.DONE, JobState.FAILED):
            shown = self._to_response(job)
            if shown.status == "cancelled":
                return shown
            raise Conflict(f"job {job_id} is {shown.status}; it cannot be cancelled any more")
        now = self._now()
        self._ledger.db.write(
            lambda tx: cancellations.request_cancellation(tx, job_id, principal.id, now)
        )
        return self._to_response(self._job(principal, job_id))

    def _job(self, principal: Principal, job_id: str) -> Job:
        job = self._ledger.get(job_id)
        mine = job.kind == KIND and job.payload["requested_by"] == principal.id
        if job.kind != KIND or not (mine or principal.may(MANAGE)):
            raise NotFound(f"job {job_id[:80]!r} does not exist")
        return job

    def _to_response(self, job: Job) -> JobOut:
        payload = JobPayload.model_validate(dict(job.payload))

        def is_cancelling(tx: Connection) -> bool:
            return cancellations.is_cancellation_requested(tx, job.id)

        status = _status(job, self._ledger.db.read(is_cancelling))
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
