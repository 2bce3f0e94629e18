"""Request and response models of reranking."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from functions.embeddings.dialects import AnyText, TruncationDirection

MAX_CANDIDATES = 200
MAX_QUERY_CHARS = 2000
MAX_TEXT_CHARS = 4000
MAX_TOP_K = 50

Query = Annotated[str, Field(min_length=1, max_length=MAX_QUERY_CHARS, examples=["it is too dark"])]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
Method = Literal["cross-encoder", "hybrid", "bm25"]


def _accept_whole_float(value: Any) -> Any:
    """Accept 10.0, which is an integer in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


TopK = Annotated[int, Field(ge=1, le=MAX_TOP_K), BeforeValidator(_accept_whole_float)]


class Candidate(BaseModel):
    """Anything with a description; other fields are returned unchanged."""

    model_config = ConfigDict(extra="allow", strict=True)

    description: Annotated[Text, Field(examples=["turn the porch light on at dusk"])]


class RerankIn(BaseModel):
    """A query and its candidates."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Query
    candidates: Annotated[list[Candidate], Field(min_length=1, max_length=MAX_CANDIDATES)]
    top_k: Annotated[
        TopK | None,
        Field(
            description="How many to return, at most as many as there are candidates; by default "
            "ten, or all if there are fewer.",
        ),
    ] = None


class Ranked(BaseModel):
    """A candidate's index and score."""

    index: Annotated[int, Field(description="In the request, from 0.")]
    score: Annotated[float, Field(description="0..1; comparable within one answer.")]


class RerankOut(BaseModel):
    """The best candidates, the best first; of equal ones the earlier."""

    ranked_candidates: Annotated[list[Candidate], Field(description="As they were sent.")]
    results: Annotated[list[Ranked], Field(description="Of each of them, in the same order.")]
    method: Annotated[
        Method,
        Field(
            description="`cross-encoder`: a model read query and description together; score is "
            "its probability. `hybrid`: 0.6 of the cosine of embeddings and 0.4 of BM25 as a "
            "share of the highest. "
            "`bm25`: words alone, for want of any model."
        ),
    ]
    fallback_reason: Annotated[
        str | None, Field(description="Why it was not a cross-encoder that answered.")
    ]
    model_name: Annotated[str | None, Field(description="None: no model had a part in it.")]
    model_sha256: str | None
    truncated: Annotated[
        list[int],
        Field(description="Candidates whose end the model did not read, by their index."),
    ]
    processing_time: Annotated[float, Field(ge=0, description="Seconds.")]


class TeiRerankIn(BaseModel):
    """The request of text-embeddings-inference."""

    model_config = ConfigDict(extra="ignore", strict=True)

    query: AnyText
    texts: Annotated[list[AnyText], Field(min_length=1, max_length=MAX_CANDIDATES)]
    raw_scores: Annotated[
        bool, Field(description="Logits of a cross-encoder; other methods have none.")
    ] = False
    return_text: bool = False
    truncate: Annotated[
        bool | None,
        Field(description="False refuses what is longer than the model reads."),
    ] = None
    truncation_direction: TruncationDirection = "right"


class TeiRank(BaseModel):
    """One text; `text` only where it was requested."""

    index: int
    score: float
    text: str | None = None
