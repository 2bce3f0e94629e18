"""`POST /api/v1/text/classify`."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter

from functions.embeddings.classification.schemas import ClassifyIn, ClassifyOut
from functions.embeddings.classification.service import ClassificationService
from functions.embeddings.routes import PERMISSION, PREFIX
from hearth.http.auth import require


class HasClassification(Protocol):
    @property
    def classification(self) -> ClassificationService: ...


def classification_router(services: HasClassification) -> APIRouter:
    """Routes that `services.classification` answers."""
    router = APIRouter(prefix=PREFIX, tags=["text"], dependencies=[require(PERMISSION)])

    @router.post("/classify")
    async def classify(body: ClassifyIn) -> ClassifyOut:
        """What kind of pattern it is."""
        return services.classification.classify(body.pattern_description)

    return router
