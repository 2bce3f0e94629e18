"""Request and response models of Hearth's own routes for embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hearth_text.models import MINILM
from hearth_text.store import ModelState

MAX_TEXTS = 100
MAX_TEXT_CHARS = 4000
MAX_NAME_CHARS = 200
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
ModelName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
MODEL = MINILM.name
DIMENSIONS = MINILM.dimensions
Vector = Annotated[list[float], Field(min_length=DIMENSIONS, max_length=DIMENSIONS)]


class EmbeddingsIn(BaseModel):
    """Texts to embed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: Annotated[
        list[Text],
        Field(
            min_length=1,
            max_length=MAX_TEXTS,
            examples=[["turn the porch light on", "is the garage open?"]],
        ),
    ]
    normalize: Annotated[bool, Field(description="Whether vectors have unit length.")] = True
    model: Annotated[ModelName | None, Field(examples=[MODEL])] = None


class EmbeddingsOut(BaseModel):
    """A vector for each text, in the order of the texts."""

    embeddings: list[Vector]
    model_name: str
    model_sha256: Annotated[str, Field(description="Of the network that answered.")]
    method: Annotated[str, Field(description="Variant of the model, and what computed it.")]
    dimensions: int
    normalized: bool
    tokens: Annotated[list[int], Field(description="Read of each text, special ones included.")]
    truncated: Annotated[
        list[int],
        Field(description="Places of the texts whose end the model did not read."),
    ]
    processing_time: Annotated[float, Field(ge=0, description="Seconds.")]


class ModelOut(BaseModel):
    """The state of one model."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    state: ModelState
    state_ms: Annotated[float, Field(description="For how long it has been so.")]
    load_ms: Annotated[float | None, Field(description="How long loading it took, last time.")]
    sha256: str | None
    detail: Annotated[str | None, Field(description="What computes it, and how.")]
    memory_bytes: Annotated[int, Field(description="What it takes, roughly.")]
    error: Annotated[str | None, Field(description="Why it could not be loaded.")]


class ModelsOut(BaseModel):
    """The models, and which of them are loaded. A model is loaded by its first request."""

    embedding_model: str
    embedding_loaded: bool
    reranker_model: Annotated[
        str | None, Field(description="None: none is installed, and a hybrid ranks.")
    ]
    reranker_loaded: bool
    classifier_model: Annotated[
        str | None, Field(description="None: none is installed, and embeddings classify.")
    ]
    classifier_loaded: bool
    openvino_enabled: bool = True
    models_dir: str
    initialized: Annotated[bool, Field(description="Whether any model is in memory.")]
    models: list[ModelOut]


class HealthOut(BaseModel):
    """The model is installed."""

    status: Literal["healthy"] = "healthy"
    model_name: str
