"""What `embeddings` reads from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from hearth.settings import CoreSettings
from hearth_text.backends.program import Precision
from hearth_text.models import Variant


class Settings(CoreSettings):
    """Each field is the environment variable of the same name in upper case."""

    models_dir: Path = Path("models")
    """Of installed models; from the folder that holds the code, in the image as in the project."""
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
