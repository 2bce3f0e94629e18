"""What `embeddings` reads from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from hearth.settings import CoreSettings
from hearth_text.backends.program import Precision
from hearth_text.models import MINILM, Variant

ModelFolder = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$", max_length=200)]
"""Name of a folder; empty for none."""


class Settings(CoreSettings):
    """Each field is the environment variable of the same name in upper case."""

    models_dir: Path = Path("models")
    """Of installed models; from the folder that holds the code, in the image as in the project."""
    reranker_model: ModelFolder = ""
    """A cross-encoder in `models_dir`, such as bge-reranker-base; without one, a hybrid ranks."""
    classifier_model: ModelFolder = ""
    """A sequence-to-sequence model there, such as flan-t5-small; without one, embeddings decide."""
    embedding_variant: Variant = Variant.WEIGHTS_INT8
    precision: Precision = "auto"
    """Of what is not computed in INT8. `auto` is bfloat16 where the processor has it."""
    streams: int | None = Field(None, ge=1, le=256)
    """Batches at a time, each on one thread; None is this process's share of the processors."""
    model_memory_mb: int = Field(1024, ge=64)
    """What the models in memory may take together, roughly; those not used longest go first."""
    compile_cache: Path = Path("~/.cache/hearth/openvino")
    """Where compiled networks are kept for the next start."""
    inference_timeout_s: float = Field(25.0, gt=0, le=900)
    """Of one request; the gateway gives up after 30."""

    @model_validator(mode="after")
    def _distinct_models(self) -> Self:
        names = [MINILM.name, *filter(None, (self.reranker_model, self.classifier_model))]
        if len(set(names)) < len(names):
            raise ValueError(
                "RERANKER_MODEL and CLASSIFIER_MODEL must name two models, neither of them "
                f"{MINILM.name}"
            )
        return self
