"""What `embeddings` reads from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from hearth.settings import CoreSettings
from hearth_text.backends.program import Precision
from hearth_text.models import MINILM, Variant


class Settings(CoreSettings):
    """Each field is the environment variable of the same name in upper case."""

    models_dir: Path = Path("models")
    """Of installed models; from the folder that holds the code, in the image as in the project."""
    reranker_model: Path | None = None
    """Folder with a cross-encoder, such as bge-reranker-base, in `models_dir` or absolute. Without
    one, a hybrid ranks."""
    classifier_model: Path | None = None
    """Likewise with a sequence-to-sequence model, such as flan-t5-small. Without one, embeddings
    classify."""
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

    @property
    def reranker(self) -> str:
        """Name of the cross-encoder, empty for none."""
        return self.reranker_model.name if self.reranker_model else ""

    @property
    def classifier(self) -> str:
        """Name of the sequence-to-sequence model, empty for none."""
        return self.classifier_model.name if self.classifier_model else ""

    @model_validator(mode="after")
    def _distinct_models(self) -> Self:
        names = [MINILM.name, *filter(None, (self.reranker, self.classifier))]
        if len(set(names)) < len(names):
            raise ValueError(
                "RERANKER_MODEL and CLASSIFIER_MODEL must be two folders of different names, "
                f"neither of them {MINILM.name}"
            )
        return self
