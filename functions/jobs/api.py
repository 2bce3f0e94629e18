"""`/api/v1/jobs`: the ledger over HTTP."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import APIRouter, FastAPI, Path, Query

from functions.jobs.schemas import NO_NUL, JobOut, JobQuery, JobsOut, SummaryOut, SummaryQuery
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import require

JobId = Annotated[str, Path(max_length=100, pattern=NO_NUL)]


class Service(Protocol):
    def list(self, query: JobQuery) -> JobsOut: ...
    def summary(self, dedupe_prefix: str | None = None) -> SummaryOut: ...
    def get(self, job_id: str) -> JobOut: ...
    def retry(self, job_id: str) -> JobOut: ...


def create_app(service: Service) -> FastAPI:
    """The application that answers with what `service` knows."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

    @router.get("", dependencies=[require("jobs:read")])
    async def list_jobs(query: Annotated[JobQuery, Query()]) -> JobsOut:
        return service.list(query)

    # Before /{job_id}, which would take "summary" for an id.
    @router.get("/summary", dependencies=[require("jobs:read")])
    async def summarize_jobs(query: Annotated[SummaryQuery, Query()]) -> SummaryOut:
        return service.summary(query.dedupe_prefix)

    @router.get("/{job_id}", dependencies=[require("jobs:read")])
    async def get_job(job_id: JobId) -> JobOut:
        return service.get(job_id)

    @router.post("/{job_id}/retry", dependencies=[require("jobs:retry")])
    async def retry_job(job_id: JobId) -> JobOut:
        return service.retry(job_id)

    return create_http_app("Hearth jobs", router)
