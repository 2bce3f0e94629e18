"""OpenAI's dialect: `POST /v1/embeddings`, `GET /v1/models` and `GET /v1/models/{model}`.

https://platform.openai.com/docs/api-reference/embeddings: the official client, and what is built on
it, works with `base_url=".../v1"`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from functions.embeddings.dialects import Inputs
from functions.embeddings.json_vectors import as_numbers, json_response
from functions.embeddings.routes import PERMISSION
from functions.embeddings.schemas import DIMENSIONS, MODEL, ModelName, Vector
from functions.embeddings.service import find_model
from hearth.errors import InvalidInput
from hearth.http.app import Router
from hearth.http.auth import require
from hearth_text.models import MINILM, EmbeddingModel

if TYPE_CHECKING:
    from functions.embeddings.wiring import Wiring


def _reject_token_arrays(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(item, int | list) for item in value):
        raise ValueError(
            "arrays of tokens are those of OpenAI's own models; send the text (LangChain: "
            "check_embedding_ctx_length=False)"
        )
    return value


class OpenAIEmbeddingsIn(BaseModel):
    """Text, or texts. Arrays of tokens, which only OpenAI's own models have, are refused."""

    model_config = ConfigDict(extra="ignore")

    input: Annotated[Inputs, BeforeValidator(_reject_token_arrays)]
    model: Annotated[ModelName, Field(examples=[MODEL])]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[
        int | None, Field(description="As many as the model has: vectors are not cut.")
    ] = None
    user: Annotated[str | None, Field(max_length=512)] = None


class OpenAIEmbedding(BaseModel):
    """One vector; in Base64 the bytes of its float32 numbers, little-endian."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: Vector | str


class OpenAIUsage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class OpenAIEmbeddingsOut(BaseModel):
    """OpenAI's response; `truncated`, `model_sha256` and `method` are additions."""

    object: Literal["list"] = "list"
    data: list[OpenAIEmbedding]
    model: str
    usage: OpenAIUsage
    truncated: list[int]
    model_sha256: str
    method: str


class OpenAIModel(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class OpenAIModels(BaseModel):
    object: Literal["list"] = "list"
    data: list[OpenAIModel]


def _describe(model: EmbeddingModel) -> OpenAIModel:
    return OpenAIModel(id=model.name, created=0, owned_by="hearth")


def openai_router(services: Wiring) -> Router:
    """Build the router."""
    router = Router(prefix="/v1", tags=["openai"], dependencies=[require(PERMISSION)])

    @router.post("/embeddings", response_model=OpenAIEmbeddingsOut)
    async def create_embeddings(body: OpenAIEmbeddingsIn) -> Response:
        if body.dimensions not in (None, DIMENSIONS):
            raise InvalidInput(
                f"dimensions must be {DIMENSIONS} or left out: vectors of {MODEL} are not cut"
            )
        found = services.embeddings.encode(body.input, model=body.model)
        vectors: list[Any]
        if body.encoding_format == "base64":
            # Little-endian on every machine.
            rows = found.vectors.astype("<f4", copy=False)
            vectors = [base64.b64encode(row.tobytes()).decode() for row in rows]
        else:
            vectors = as_numbers(found.vectors)
        total = sum(found.tokens)
        return json_response(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": index, "embedding": vector}
                    for index, vector in enumerate(vectors)
                ],
                "model": found.model.name,
                "usage": {"prompt_tokens": total, "total_tokens": total},
                "truncated": found.truncated,
                "model_sha256": found.sha256,
                "method": found.method,
            }
        )

    @router.get("/models")
    async def list_models() -> OpenAIModels:
        return OpenAIModels(data=[_describe(MINILM)])

    @router.get("/models/{model:path}")
    async def get_model(model: str) -> OpenAIModel:
        return _describe(find_model(model))

    return router
