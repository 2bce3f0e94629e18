"""`POST /api/v1/text/extract`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from functions.embeddings.extraction.schemas import ExtractIn, ExtractOut
from functions.embeddings.routes import PERMISSION, PREFIX
from hearth.http.auth import require

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring


def extraction_router(services: Wiring) -> APIRouter:
    """Build the router."""
    router = APIRouter(prefix=PREFIX, tags=["text"], dependencies=[require(PERMISSION)])

    @router.post("/extract")
    async def extract(body: ExtractIn) -> ExtractOut:
        """Extract areas, devices, numbers, times and durations from a text."""
        return services.extraction.extract(body)

    return router
