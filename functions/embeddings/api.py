"""`/api/v1/text` and the dialects of other programs: a router for each."""

from __future__ import annotations

from typing import Protocol

from fastapi import FastAPI

from functions.embeddings.classification.routes import classification_router
from functions.embeddings.classification.service import ClassificationService
from functions.embeddings.extraction.routes import extraction_router
from functions.embeddings.extraction.service import ExtractionService
from functions.embeddings.openai_routes import openai_router
from functions.embeddings.reranking.routes import reranking_router
from functions.embeddings.reranking.service import RerankService
from functions.embeddings.routes import embedding_router
from functions.embeddings.service import EmbeddingService
from functions.embeddings.tei_routes import tei_router
from hearth.http.app import create_app as create_http_app

MAX_BODY_BYTES = 5 * 1024 * 1024
"""A hundred texts of 4,000 characters, each of which may take 12 bytes in JSON."""


class Services(Protocol):
    """What answers; each part is made when it is first asked."""

    @property
    def embeddings(self) -> EmbeddingService: ...
    @property
    def reranking(self) -> RerankService: ...
    @property
    def classification(self) -> ClassificationService: ...
    @property
    def extraction(self) -> ExtractionService: ...


def create_app(services: Services) -> FastAPI:
    """The application that answers with what `services` know."""
    return create_http_app(
        "Hearth text",
        embedding_router(services),
        reranking_router(services),
        classification_router(services),
        extraction_router(services),
        openai_router(services),
        tei_router(services),
        max_body_bytes=MAX_BODY_BYTES,
    )
