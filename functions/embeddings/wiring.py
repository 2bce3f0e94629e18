"""Puts the parts together; nothing is loaded before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from functions.embeddings.service import EmbeddingService
from functions.embeddings.settings import Settings
from hearth_text.models import MINILM
from hearth_text.store import Loaded, ModelStore


class Wiring:
    """The services of one process, each made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def store(self) -> ModelStore[Any]:
        """Every model, under one ceiling."""
        return ModelStore(self._loaders(), self._settings.model_memory_mb << 20)

    @cached_property
    def embeddings(self) -> EmbeddingService:
        settings = self._settings
        return EmbeddingService(self.store, settings.models_dir, settings.inference_timeout_s)

    def _loaders(self) -> Mapping[str, Callable[[], Loaded[Any]]]:
        return {MINILM.name: partial(_load_minilm, self._settings)}


def _load_minilm(settings: Settings) -> Loaded[Any]:
    # Imported here: who only asks which models there are needs no OpenVINO.
    from hearth_text.loading import load_embedder

    return load_embedder(
        settings.models_dir,
        MINILM,
        settings.embedding_variant,
        streams=settings.streams,
        precision=settings.precision,
        cache=settings.compile_cache.expanduser(),
    )
