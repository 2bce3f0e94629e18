"""`POST /api/v1/text/classify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.embeddings.classification.schemas import ClassifyIn, ClassifyOut
from functions.embeddings.routes import PERMISSION, PREFIX
from hearth.http.app import Router
from hearth.http.auth import require

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring


def classification_router(services: Wiring) -> Router:
    """Build the router."""
    router = Router(prefix=PREFIX, tags=["text"], dependencies=[require(PERMISSION)])

    @router.post("/classify")
    async def classify(body: ClassifyIn) -> ClassifyOut:
        """Classify a pattern by category and priority."""
        return services.classification.classify(body.pattern_description)

    return router
