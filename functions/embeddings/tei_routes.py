"""The dialect of text-embeddings-inference: `POST /embed`, `POST /` and `GET /info`.

https://huggingface.github.io/text-embeddings-inference/: `InferenceClient(".../embed")`, LangChain
and LlamaIndex speak it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from functions.embeddings.dialects import MAX_INPUTS, Inputs, TruncationDirection
from functions.embeddings.json_vectors import as_numbers, json_response
from functions.embeddings.routes import PERMISSION
from functions.embeddings.schemas import DIMENSIONS, Vector
from hearth.errors import InvalidInput, TooLarge
from hearth.http.app import Router
from hearth.http.auth import require
from hearth_text.models import MINILM

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring


class TeiEmbedIn(BaseModel):
    """Text, or texts."""

    model_config = ConfigDict(extra="ignore", strict=True)

    inputs: Inputs
    normalize: bool = True
    truncate: Annotated[
        bool | None,
        Field(description="False refuses what is longer than the model reads."),
    ] = None
    truncation_direction: TruncationDirection = "right"
    prompt_name: Annotated[None, Field(description="The model has no prompts.")] = None
    dimensions: int | None = None


class TeiPooling(BaseModel):
    pooling: Literal["mean"] = "mean"


class TeiModelType(BaseModel):
    embedding: TeiPooling = TeiPooling()


class TeiInfo(BaseModel):
    """The description that text-embeddings-inference gives of itself."""

    model_id: str = MINILM.repository
    model_sha: Annotated[str | None, Field(description="None until the model is loaded.")]
    model_dtype: str
    model_type: TeiModelType = TeiModelType()
    max_concurrent_requests: int = 1
    max_input_length: int = MINILM.max_tokens
    max_batch_tokens: int = MAX_INPUTS * MINILM.max_tokens
    max_batch_requests: int | None = None
    max_client_batch_size: int = MAX_INPUTS
    auto_truncate: bool = True
    tokenization_workers: int = 1
    version: str = "hearth"
    sha: str | None = None
    docker_label: str | None = None


def tei_router(services: Wiring) -> Router:
    """Build the router."""
    router = Router(tags=["text-embeddings-inference"], dependencies=[require(PERMISSION)])

    @router.post("/", name="tei_root", response_model=list[Vector])
    @router.post("/embed", response_model=list[Vector])
    async def tei_embed(body: TeiEmbedIn) -> Response:
        if body.dimensions not in (None, DIMENSIONS):
            raise InvalidInput(f"dimensions must be {DIMENSIONS} or left out")
        found = services.embeddings.encode(body.inputs, normalize=body.normalize)
        if body.truncate is False and found.truncated:
            raise TooLarge(
                f"input {found.truncated[0]} has more than {MINILM.max_tokens} tokens; shorten it, "
                "or let it be truncated"
            )
        headers = {
            "X-Model-Sha256": found.sha256,
            "X-Compute-Time": str(round(found.seconds * 1000)),
            "X-Compute-Tokens": str(sum(found.tokens)),
            "X-Truncated": ",".join(map(str, found.truncated)),
        }
        return json_response(as_numbers(found.vectors), headers)

    @router.get("/info")
    async def tei_info() -> TeiInfo:
        found = services.embeddings.models()
        status = next(one for one in found.models if one.name == found.embedding_model)
        return TeiInfo(model_sha=status.sha256, model_dtype=status.detail or "not loaded yet")

    return router
