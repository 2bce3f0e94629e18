"""`/api/v1/text` and the dialects of other programs, with a router for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from functions.embeddings.classification.routes import classification_router
from functions.embeddings.extraction.routes import extraction_router
from functions.embeddings.openai_routes import openai_router
from functions.embeddings.reranking.routes import reranking_router
from functions.embeddings.routes import embedding_router
from functions.embeddings.tei_routes import tei_router
from hearth.http.app import create_app as create_http_app

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring

MAX_BODY_BYTES = 5 * 1024 * 1024
"""A hundred texts of 4,000 characters, each of which takes at most 12 bytes in JSON; or a thousand
chunks of 4,350 characters of English."""


def create_app(services: Wiring) -> FastAPI:
    """Build the HTTP application of text models; services are built at their first use."""
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
