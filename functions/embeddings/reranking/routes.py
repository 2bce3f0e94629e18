"""`POST /api/v1/text/rerank`, and `POST /rerank` of text-embeddings-inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.embeddings.exact_json import check_json
from functions.embeddings.reranking.schemas import (
    Ranked,
    RerankIn,
    RerankOut,
    TeiRank,
    TeiRerankIn,
)
from functions.embeddings.reranking.service import DEFAULT_TOP_K
from functions.embeddings.routes import PERMISSION, PREFIX
from hearth.errors import InvalidInput, TooLarge
from hearth.http.app import Router
from hearth.http.auth import require

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring


def reranking_router(services: Wiring) -> Router:
    """Build the router."""
    router = Router(dependencies=[require(PERMISSION)])

    @router.post(f"{PREFIX}/rerank", tags=["text"])
    async def rerank(body: RerankIn) -> RerankOut:
        """Return the candidates that answer the query best."""
        count = len(body.candidates)
        if body.top_k is not None and body.top_k > count:
            message = f"must be at most the number of candidates, {count}"
            raise InvalidInput(
                f"top_k {message}", details=[{"field": "body.top_k", "message": message}]
            )
        for index, candidate in enumerate(body.candidates):
            check_json(candidate.model_extra, f"body.candidates.{index}")
        found = services.reranking.rank(body.query, [c.description for c in body.candidates])
        best = found.order[: body.top_k or DEFAULT_TOP_K]
        return RerankOut(
            ranked_candidates=[body.candidates[index] for index in best],
            results=[Ranked(index=index, score=float(found.scores[index])) for index in best],
            method=found.method,
            fallback_reason=found.fallback,
            model_name=found.model,
            model_sha256=found.sha256,
            truncated=list(found.truncated),
            processing_time=found.seconds,
        )

    @router.post("/rerank", tags=["text-embeddings-inference"], response_model_exclude_none=True)
    async def tei_rerank(body: TeiRerankIn) -> list[TeiRank]:
        """Return all texts, the best first."""
        found = services.reranking.rank(body.query, body.texts)
        if body.truncate is False and found.truncated:
            raise TooLarge(
                f"text {found.truncated[0]} is longer than the model reads; shorten it, or let it "
                "be truncated"
            )
        scores = found.logits if body.raw_scores and found.logits is not None else found.scores
        return [
            TeiRank(
                index=index,
                score=float(scores[index]),
                text=body.texts[index] if body.return_text else None,
            )
            for index in found.order
        ]

    return router
