"""The environment of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from hearth.settings import CoreSettings
from hearth_text.backends.program import Precision
from hearth_text.models import MINILM, Variant


class Settings(CoreSettings):
    """Core settings and those of text models."""

    models_dir: Path = Path("models")
    """Folder of installed models, relative to the folder of the code."""
    reranker_model: Path | None = None
    """Folder with a cross-encoder, such as bge-reranker-base, in `models_dir` or absolute. Without
    one, a hybrid ranks."""
    classifier_model: Path | None = None
    """Folder with a sequence-to-sequence model, such as flan-t5-small. Without one, embeddings
    classify."""
    embedding_variant: Variant = Variant.WEIGHTS_INT8
    precision: Precision = "auto"
    """Precision of operations outside INT8. `auto` is bfloat16 where the processor has it."""
    streams: int | None = Field(None, ge=1, le=256)
    """Parallel batches, each on one thread; None is this process's share of the processors."""
    model_memory_mb: int = Field(1024, ge=64)
    """Approximate memory limit of all loaded models; the least recently used are evicted first."""
    compile_cache: Path = Path("~/.cache/hearth/openvino")
    """Folder of compiled networks, for the next start."""
    inference_timeout_s: float = Field(25.0, gt=0, le=900)
    """Time limit of one request, seconds; the gateway's is 30."""

    @property
    def reranker(self) -> str:
        """The name of the cross-encoder, empty for none."""
        return self.reranker_model.name if self.reranker_model else ""

    @property
    def classifier(self) -> str:
        """The name of the sequence-to-sequence model, empty for none."""
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
