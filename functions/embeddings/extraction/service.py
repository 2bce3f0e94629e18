"""Extracts entities of a home from a text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.embeddings.extraction.extractor import Extractor, Located
from functions.embeddings.extraction.finds import Method
from functions.embeddings.extraction.registry import Entry, Registry
from functions.embeddings.extraction.schemas import (
    MAX_ENTRIES,
    MAX_NAMES,
    AlternativeOut,
    EntityOut,
    ExtractIn,
    ExtractOut,
    RegistryIn,
)
from functions.embeddings.optional_model import Models, OptionalModel
from hearth.errors import TooLarge

_WITHOUT_MODEL: tuple[Method, ...] = ("exact", "partial", "fuzzy", "rule")


class ExtractionService:
    """Extracts entities.

    Args:
        embedder: Name of the embedding model, which compares meanings and knows words.
        timeout_s: The time limit of one request.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        models: Models[Any],
        embedder: str,
        timeout_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._embedder = OptionalModel(models, embedder, "MODELS_DIR")
        self._extractor = Extractor()
        self._timeout_s = timeout_s
        self._clock = clock

    def extract(self, asked: ExtractIn) -> ExtractOut:
        """Extract the entities of a request.

        Raises:
            TooLarge: The registry has too many names.
            InvalidInput: A text is not valid Unicode.
            Unavailable: The model is still being loaded.
            TimedOut: The time limit was exceeded.
        """
        began = self._clock()
        registry = _registry(asked.registry)
        model, why = self._embedder.get() if registry.keys else (None, "the registry is empty")
        language = (
            None if model is None else _Language(model.value, began + self._timeout_s, self._clock)
        )
        found = self._extractor.extract(asked.query, registry, language)
        entities = [
            _entity(asked.query, located)
            for located in found
            if located.found.confidence >= asked.confidence_threshold
        ]
        best: dict[str, float] = {}
        for entity in entities:
            best[entity.name] = max(entity.confidence, best.get(entity.name, 0.0))
        return ExtractOut(
            entities=entities,
            confidence_scores=best,
            methods=[*_WITHOUT_MODEL, "embedding"] if model is not None else [*_WITHOUT_MODEL],
            fallback_reason=why,
            model_used=self._embedder.name if model is not None else None,
            model_sha256=model.sha256 if model is not None else None,
            processing_time=self._clock() - began,
        )


class _Language:
    """The embedding model within the time limit of one request."""

    def __init__(self, model: Any, ends: float, clock: Callable[[], float]) -> None:
        self.knows: Callable[[str], bool] = model.knows
        self._model = model
        self._ends = ends
        self._clock = clock

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self._model.encode(
            texts, time_left_s=lambda: self._ends - self._clock()
        ).vectors
        return vectors


def _registry(asked: RegistryIn) -> Registry:
    entries = len(asked.areas) + len(asked.devices)
    aliases = [*(area.aliases for area in asked.areas), *(one.aliases for one in asked.devices)]
    names = entries + sum(map(len, aliases))
    if entries > MAX_ENTRIES or names > MAX_NAMES:
        raise TooLarge(
            f"the registry has {entries} areas and devices with {names} names; at most "
            f"{MAX_ENTRIES} with {MAX_NAMES} are looked for: send those that can be meant"
        )
    return Registry(
        [
            *(Entry(one.id, one.name, "area", aliases=tuple(one.aliases)) for one in asked.areas),
            *(
                Entry(
                    one.id,
                    one.name,
                    "device",
                    one.domain or one.id.rpartition(".")[0] or None,
                    one.area,
                    tuple(one.aliases),
                )
                for one in asked.devices
            ),
        ]
    )


def _entity(query: str, located: Located) -> EntityOut:
    found, text = located.found, query[located.start : located.end]
    entry = found.entry
    kind = entry.type if entry is not None else found.type
    assert kind is not None  # noqa: S101  # a find is an entry or a value
    return EntityOut(
        name=entry.name if entry is not None else text,
        type=kind,
        domain=entry.domain if entry is not None else None,
        confidence=found.confidence,
        extraction_method=found.method,
        start=located.start,
        end=located.end,
        text=text,
        id=(entry.id or None) if entry is not None else None,
        value=found.value,
        unit=found.unit,
        alternatives=[AlternativeOut(id=one.id, name=one.name) for one in found.alternatives],
    )
