"""`/api/v1/clustering`: clusters, anomalies, feature importance, saved models, jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Path, Query, Response
from fastapi.responses import JSONResponse

from functions.clustering.limits import MAX_BODY_BYTES
from functions.clustering.schemas import (
    MODEL_ID,
    AnomalyIn,
    AnomalyOut,
    BatchIn,
    BatchOut,
    ClusterIn,
    ClusterOut,
    CompareOut,
    CompareQuery,
    HealthOut,
    ImportanceIn,
    ImportanceOut,
    JobOut,
    ModelOut,
    ModelPage,
    ModelQuery,
    Operation,
    Request,
    ScoreIn,
    ScoreOut,
    StatusOut,
)
from hearth.http.app import Router
from hearth.http.app import create_app as create_http_app
from hearth.http.auth import Principal, require

if TYPE_CHECKING:
    from functions.clustering.jobs import ClusteringJobs
    from functions.clustering.service import ClusteringService

ModelId = Annotated[str, Path(pattern=MODEL_ID)]
JobId = Annotated[str, Path(pattern=MODEL_ID)]
Uses = Annotated[Principal, require("clustering:use")]
Manages = Annotated[Principal, require("clustering:manage")]
_JOB: dict[int | str, dict[str, Any]] = {
    202: {"model": JobOut, "description": "A job: the rows lie in S3."}
}


def create_app(service: ClusteringService, jobs: ClusteringJobs | None = None) -> FastAPI:
    """Build the HTTP application of clustering; without `jobs` only its document can be read."""
    router = Router(prefix="/api/v1/clustering", tags=["clustering"])

    def respond(who: Principal, operation: Operation, request: Request) -> Response:
        if request.input is None:
            return Response(service.answer(who, request), media_type="application/json")
        assert jobs is not None  # noqa: S101  # None only where the document is read
        job = jobs.create(who, operation, request)
        headers = {"Location": f"/api/v1/clustering/jobs/{job.job_id}"}
        return JSONResponse(job.model_dump(mode="json"), 202, headers)

    @router.post("/cluster", response_model=ClusterOut, responses=_JOB)
    async def cluster(who: Uses, body: ClusterIn) -> Response:
        return respond(who, "cluster", body)

    @router.post("/anomaly", response_model=AnomalyOut, responses=_JOB)
    async def find_anomalies(who: Uses, body: AnomalyIn) -> Response:
        return respond(who, "anomaly", body)

    @router.post("/importance", response_model=ImportanceOut, responses=_JOB)
    async def rank_columns(who: Uses, body: ImportanceIn) -> Response:
        return respond(who, "importance", body)

    @router.post("/score", response_model=ScoreOut, responses=_JOB)
    async def score_rows(who: Uses, body: ScoreIn) -> Response:
        return respond(who, "score", body)

    @router.post("/batch/process", response_model=BatchOut)
    async def process_batch(who: Uses, body: BatchIn) -> Response:
        return Response(service.batch(who, body), media_type="application/json")

    # Two names of one route: earlier releases had either.
    @router.get("/models/status", operation_id="models_status")
    @router.get("/algorithms/status", operation_id="algorithms_status")
    async def get_status(_: Uses) -> StatusOut:
        return service.status()

    @router.get("/health", responses={503: {"model": HealthOut}})
    async def get_health(_: Uses, response: Response) -> HealthOut:
        health = service.health()
        response.status_code = 200 if health.status == "healthy" else 503
        return health

    @router.get("/models")
    async def list_models(_: Uses, query: Annotated[ModelQuery, Query()]) -> ModelPage:
        return service.registry.list(query)

    @router.get("/models/compare")
    async def compare_models(_: Uses, query: Annotated[CompareQuery, Query()]) -> CompareOut:
        return service.registry.compare(query.id)

    @router.get("/models/{model_id:ulid}")
    async def get_model(_: Uses, model_id: ModelId) -> ModelOut:
        return service.registry.get(model_id)

    @router.post("/models/{model_id:ulid}/promote")
    async def promote_model(who: Manages, model_id: ModelId) -> ModelOut:
        return service.registry.promote(model_id, who.id)

    @router.post("/models/{model_id:ulid}/rollback")
    async def roll_back_model(who: Manages, model_id: ModelId) -> ModelOut:
        return service.registry.roll_back(model_id, who.id)

    @router.delete("/models/{model_id:ulid}", status_code=204)
    async def delete_model(_: Manages, model_id: ModelId) -> None:
        service.registry.remove(model_id)

    @router.get("/jobs/{job_id:ulid}")
    async def get_job(who: Uses, job_id: JobId) -> JobOut:
        assert jobs is not None  # noqa: S101
        return jobs.get(who, job_id)

    @router.get(
        "/jobs/{job_id:ulid}/result",
        response_model=ClusterOut | AnomalyOut | ImportanceOut | ScoreOut,
    )
    async def get_result(who: Uses, job_id: JobId) -> Response:
        assert jobs is not None  # noqa: S101
        return Response(jobs.result(who, job_id), media_type="application/json")

    @router.post("/jobs/{job_id:ulid}/cancel")
    async def cancel_job(who: Uses, job_id: JobId) -> JobOut:
        assert jobs is not None  # noqa: S101
        return jobs.cancel(who, job_id)

    return create_http_app("Hearth clustering", router, max_body_bytes=MAX_BODY_BYTES)
