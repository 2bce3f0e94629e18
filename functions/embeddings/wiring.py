"""Composition root of the services; nothing is loaded before it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.embeddings.classification.service import ClassificationService
from functions.embeddings.extraction.service import ExtractionService
from functions.embeddings.reranking.service import RerankService
from functions.embeddings.service import EmbeddingService
from functions.embeddings.settings import Settings
from hearth.processor import cpu_share
from hearth_text.models import MINILM
from hearth_text.store import Loaded, ModelStore

if TYPE_CHECKING:
    from hearth_text.model_folders import Running


class Wiring:
    """The services of one process, each built at its first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def store(self) -> ModelStore[Any]:
        """All models, under one memory limit."""
        return ModelStore(self._loaders(), self._settings.model_memory_mb << 20)

    @cached_property
    def embeddings(self) -> EmbeddingService:
        settings = self._settings
        return EmbeddingService(
            self.store,
            settings.models_dir,
            settings.inference_timeout_s,
            settings.reranker,
            settings.classifier,
        )

    @cached_property
    def reranking(self) -> RerankService:
        settings = self._settings
        return RerankService(
            self.store, settings.reranker, MINILM.name, settings.inference_timeout_s
        )

    @cached_property
    def classification(self) -> ClassificationService:
        return ClassificationService(self.store, self._settings.classifier, MINILM.name)

    @cached_property
    def extraction(self) -> ExtractionService:
        return ExtractionService(self.store, MINILM.name, self._settings.inference_timeout_s)

    def _loaders(self) -> Mapping[str, Callable[[], Loaded[Any]]]:
        settings = self._settings
        loaders: dict[str, Callable[[], Loaded[Any]]] = {
            MINILM.name: partial(_load_minilm, settings)
        }
        if settings.reranker_model:
            folder = settings.models_dir / settings.reranker_model
            loaders[settings.reranker] = partial(_load_reranker, folder, settings)
        if settings.classifier_model:
            folder = settings.models_dir / settings.classifier_model
            loaders[settings.classifier] = partial(_load_classifier, folder, settings)
        return loaders


def _load_minilm(settings: Settings) -> Loaded[Any]:
    # Imported here, because listing models does not need OpenVINO.
    from hearth_text.loading import load_embedder

    return load_embedder(
        settings.models_dir,
        MINILM,
        settings.embedding_variant,
        streams=settings.streams,
        precision=settings.precision,
        cache=settings.compile_cache.expanduser(),
    )


def _load_reranker(folder: Path, settings: Settings) -> Loaded[Any]:
    from hearth_text.model_folders import load_cross_encoder

    return load_cross_encoder(folder, _running(settings))


def _load_classifier(folder: Path, settings: Settings) -> Loaded[Any]:
    from hearth_text.model_folders import load_seq2seq

    return load_seq2seq(folder, _running(settings))


def _running(settings: Settings) -> Running:
    from hearth_text.model_folders import Running

    return Running(
        streams=settings.streams or cpu_share(),
        precision=settings.precision,
        cache=settings.compile_cache.expanduser(),
    )
