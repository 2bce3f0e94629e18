"""`/api/v1/jobs`: the ledger over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Path, Query

from functions.jobs.schemas import NO_NUL, JobOut, JobPage, JobQuery, SummaryOut, SummaryQuery
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import require

if TYPE_CHECKING:
    from functions.jobs.service import JobsService

JobId = Annotated[str, Path(max_length=100, pattern=NO_NUL)]


def create_app(service: JobsService) -> FastAPI:
    """Build the HTTP application of jobs."""
    router = Router(prefix="/api/v1/jobs", tags=["jobs"])

    @router.get("", dependencies=[require("jobs:read")])
    async def list_jobs(query: Annotated[JobQuery, Query()]) -> JobPage:
        return service.list(query)

    # Before /{job_id}, which would match "summary" as an id.
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
