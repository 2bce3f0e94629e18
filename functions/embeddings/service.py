"""Embeds texts, whatever the dialect in which they were asked for."""

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
    """Gives models, loaded when they are first asked for."""

    def get(self, name: str) -> Loaded[Any]: ...
    def status(self) -> list[ModelStatus]: ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Texts as vectors, and how they became so.

    Attributes:
        vectors: float32 (texts, dimensions).
        tokens: Read of each text.
        truncated: Places of the texts that were not read to their end.
        model: What encoded them.
        sha256: Of its network.
        method: Its variant, and what computed it.
        seconds: How long it took, loading the model included.
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
        models: Where `SentenceEmbedder`s come from.
        folder: Of installed models.
        timeout_s: Of one request.
        reranker: Name of the cross-encoder, empty for none.
        classifier: Name of the sequence-to-sequence model, empty for none.
        clock: Seconds.
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
        """Vectors of `texts`, in their order.

        Args:
            normalize: Whether they have unit length.
            model: Its name; None is the default.
            timeout_s: None is that of a request.

        Raises:
            InvalidInput: A text is no Unicode.
            NotFound: There is no model of that name.
            ModelUnavailable: It is not installed.
            ModelFailed: It failed.
            Unavailable: It is still being loaded.
            TimedOut: It took too long.
        """
        began = self._clock()
        ends = began + (self._timeout_s if timeout_s is None else timeout_s)
        wanted = model_named(model)
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
        """Vectors of unit length, float32 (texts, dimensions); raises as `encode` does."""
        return self.encode(texts).vectors

    def fingerprint(self) -> tuple[str, str]:
        """SHA-256 of the default model's network, and what computes it; raises as `encode` does."""
        loaded = self._models.get(MINILM.name)
        return loaded.sha256, loaded.detail

    def truncated(self, texts: Sequence[str]) -> list[int]:
        """Places of the texts that the model does not read to their end; raises as `encode`."""
        tokens = self._models.get(MINILM.name).value.tokenize(texts)
        return [place for place, text in enumerate(tokens) if text.truncated]

    def models(self) -> ModelsOut:
        """Which models there are; loads none."""
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
        """That the model is there; loads nothing.

        Raises:
            ModelUnavailable: It is not installed.
        """
        check_installed(self._folder, MINILM.name)
        return HealthOut(model_name=MINILM.name)


def model_named(name: str | None) -> EmbeddingModel:
    """The embedding model of a name; None is the default.

    Raises:
        NotFound: There is none.
    """
    if name is not None and name not in MINILM.names:
        raise NotFound(
            f"embedding model {name[:MAX_NAME_CHARS]!r} is not known; there is {MINILM.name}"
        )
    return MINILM
