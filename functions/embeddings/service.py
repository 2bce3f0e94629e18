"""Embeds texts, for every dialect."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from functions.embeddings.schemas import MAX_NAME_CHARS, HealthOut, ModelOut, ModelsOut
from hearth.errors import NotFound
from hearth_text.models import MINILM, EmbeddingModel, check_installed
from hearth_text.store import Loaded, ModelState, ModelStatus


class Models(Protocol):
    """Provides models, loaded at their first use."""

    def get(self, name: str) -> Loaded[Any]: ...
    def status(self) -> list[ModelStatus]: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Embedded texts, and how they were embedded.

    Attributes:
        vectors: float32 (texts, dimensions).
        tokens: The number of tokens of each text.
        truncated: Indices of the texts that were truncated.
        model: The model that encoded them.
        sha256: Of the model's network.
        method: The variant of the model, and the backend.
        seconds: The time it took, loading the model included.
    """

    vectors: NDArray[np.float32]
    tokens: tuple[int, ...]
    truncated: tuple[int, ...]
    model: EmbeddingModel
    sha256: str
    method: str
    seconds: float


class EmbeddingService:
    """Embeds texts.

    Args:
        models: Provides `SentenceEmbedder`s.
        folder: The folder of installed models.
        timeout_s: The time limit of one request.
        reranker: The name of the cross-encoder, empty for none.
        classifier: The name of the sequence-to-sequence model, empty for none.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        models: Models,
        folder: Path,
        timeout_s: float,
        reranker: str = "",
        classifier: str = "",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._models = models
        self._folder = folder
        self._timeout_s = timeout_s
        self._reranker = reranker
        self._classifier = classifier
        self._clock = clock

    def encode(
        self,
        texts: Sequence[str],
        *,
        normalize: bool = True,
        model: str | None = None,
        timeout_s: float | None = None,
    ) -> Encoded:
        """Embed texts, in their order.

        Args:
            normalize: Whether vectors have unit length.
            model: The name of the model; None is the default.
            timeout_s: The time limit; None is that of a request.

        Raises:
            InvalidInput: A text is not valid Unicode.
            NotFound: The model does not exist.
            ModelUnavailable: The model is not installed.
            ModelFailed: The model failed.
            Unavailable: The model is still being loaded.
            TimedOut: The time limit was exceeded.
        """
        began = self._clock()
        ends = began + (self._timeout_s if timeout_s is None else timeout_s)
        wanted = find_model(model)
        loaded = self._models.get(wanted.name)
        answer = loaded.value.encode(
            texts, normalize=normalize, time_left_s=lambda: ends - self._clock()
        )
        return Encoded(
            answer.vectors,
            answer.tokens,
            answer.truncated,
            wanted,
            loaded.sha256,
            loaded.detail,
            self._clock() - began,
        )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors of unit length, float32 (texts, dimensions); raises as `encode` does."""
        return self.encode(texts).vectors

    def fingerprint(self) -> tuple[str, str]:
        """Return the default model's SHA-256 and its backend; raises as `encode` does."""
        loaded = self._models.get(MINILM.name)
        return loaded.sha256, loaded.detail

    def truncated(self, texts: Sequence[str]) -> list[int]:
        """Return the indices of texts that would be truncated; raises as `encode` does."""
        tokens = self._models.get(MINILM.name).value.tokenize(texts)
        return [place for place, text in enumerate(tokens) if text.truncated]

    def models(self) -> ModelsOut:
        """List the models without loading any."""
        found = [ModelOut.model_validate(status) for status in self._models.status()]
        ready = {one.name for one in found if one.state == ModelState.READY}
        return ModelsOut(
            embedding_model=MINILM.name,
            embedding_loaded=MINILM.name in ready,
            reranker_model=self._reranker or None,
            reranker_loaded=self._reranker in ready,
            classifier_model=self._classifier or None,
            classifier_loaded=self._classifier in ready,
            models_dir=str(self._folder),
            initialized=bool(ready),
            models=found,
        )

    def health(self) -> HealthOut:
        """Check that the model is installed, without loading it.

        Raises:
            ModelUnavailable: The model is not installed.
        """
        check_installed(self._folder, MINILM.name)
        return HealthOut(model_name=MINILM.name)


def find_model(name: str | None) -> EmbeddingModel:
    """Find an embedding model by name; None is the default.

    Raises:
        NotFound: The model does not exist.
    """
    if name is not None and name not in MINILM.names:
        raise NotFound(
            f"embedding model {name[:MAX_NAME_CHARS]!r} does not exist; there is {MINILM.name}"
        )
    return MINILM
