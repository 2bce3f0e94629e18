"""`/api/v1/text`: Hearth's own routes of embeddings and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Response

from functions.embeddings.json_vectors import as_numbers, json_response
from functions.embeddings.schemas import EmbeddingsIn, EmbeddingsOut, HealthOut, ModelsOut
from hearth.http.app import Router
from hearth.http.auth import require

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring

PREFIX = "/api/v1/text"
PERMISSION = "text:infer"


def embedding_router(services: Wiring) -> Router:
    """Build the router."""
    router = Router(prefix=PREFIX, tags=["text"], dependencies=[require(PERMISSION)])

    @router.post("/embeddings", response_model=EmbeddingsOut)
    async def embed(body: EmbeddingsIn) -> Response:
        found = services.embeddings.encode(body.texts, normalize=body.normalize, model=body.model)
        return json_response(
            {
                "embeddings": as_numbers(found.vectors),
                "model_name": found.model.name,
                "model_sha256": found.sha256,
                "method": found.method,
                "dimensions": found.model.dimensions,
                "normalized": body.normalize,
                "tokens": found.tokens,
                "truncated": found.truncated,
                "processing_time": found.seconds,
            }
        )

    @router.get("/models/status")
    async def models_status() -> ModelsOut:
        return services.embeddings.models()

    @router.get("/health")
    async def text_health() -> HealthOut:
        return services.embeddings.health()

    return router
