"""`POST /api/v1/text/extract`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.embeddings.extraction.schemas import ExtractIn, ExtractOut
from functions.embeddings.routes import PERMISSION, PREFIX
from hearth.http.app import Router
from hearth.http.auth import require

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring


def extraction_router(services: Wiring) -> Router:
    """Build the router."""
    router = Router(prefix=PREFIX, tags=["text"], dependencies=[require(PERMISSION)])

    @router.post("/extract")
    async def extract(body: ExtractIn) -> ExtractOut:
        """Extract areas, devices, numbers, times and durations from a text."""
        return services.extraction.extract(body)

    return router
