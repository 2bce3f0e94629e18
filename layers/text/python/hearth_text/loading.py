"""Loads an installed model."""

from __future__ import annotations

from pathlib import Path

from hearth.processor import cpu_share
from hearth_text.backends.open_vino import OpenVinoProgram
from hearth_text.backends.program import Precision
from hearth_text.embedder import SentenceEmbedder
from hearth_text.models import EmbeddingModel, Variant, find_files
from hearth_text.store import Loaded
from hearth_text.tokens import TextTokenizer

_PER_STREAM_BYTES = 24 << 20
_BASE_BYTES = 60 << 20


def load_embedder(
    folder: Path,
    model: EmbeddingModel,
    variant: Variant | None = None,
    *,
    streams: int | None = None,
    precision: Precision = "auto",
    cache: Path | None = None,
) -> Loaded[SentenceEmbedder]:
    """Load a model, ready to answer.

    Args:
        folder: Of all installed models.
        variant: None is the model's default.
        streams: Batches at a time; None is this process's share of the processors.
        cache: Folder of compiled networks.

    Raises:
        ModelUnavailable: It is not installed, or its files are others than were made.
        ModelFailed: It cannot be run, or answers nonsense.
    """
    chosen = variant or model.default
    files = find_files(folder, model.name, chosen)
    tokenizer = TextTokenizer(files.tokenizer, model.max_tokens)
    count = streams or cpu_share()
    program = OpenVinoProgram(files.network, streams=count, precision=precision, cache=cache)
    embedder = SentenceEmbedder(model, tokenizer, program)
    embedder.warm_up()
    weights = files.network.with_suffix(".bin").stat().st_size
    # The runtime does not tell what it allocates beside the weights: measured, and rounded up.
    memory = weights + _BASE_BYTES + count * _PER_STREAM_BYTES
    return Loaded(embedder, files.sha256, f"{chosen}, {program.detail}", memory)
