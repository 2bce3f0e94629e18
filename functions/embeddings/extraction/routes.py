"""`POST /api/v1/text/extract`."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter

from functions.embeddings.extraction.schemas import ExtractIn, ExtractOut
from functions.embeddings.extraction.service import ExtractionService
from functions.embeddings.routes import PERMISSION, PREFIX
from hearth.http.auth import require


class HasExtraction(Protocol):
    @property
    def extraction(self) -> ExtractionService: ...


def extraction_router(services: HasExtraction) -> APIRouter:
    """Routes that `services.extraction` answers."""
    router = APIRouter(prefix=PREFIX, tags=["text"], dependencies=[require(PERMISSION)])

    @router.post("/extract")
    async def extract(body: ExtractIn) -> ExtractOut:
        """What the text names of the home, and its numbers, times and durations."""
        return services.extraction.extract(body)

    return router
