"""Ranks candidates by how well they answer a query."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from functions.embeddings.optional_model import Models, OptionalModel
from functions.embeddings.reranking.bm25 import bm25
from functions.embeddings.reranking.schemas import Method

COSINE, BM25 = 0.6, 0.4
"""Weights of cosine similarity and BM25 in a hybrid score."""
DEFAULT_TOP_K: Final = 10


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ranked texts.

    Attributes:
        order: Indices in the request, the best first; of equal ones the earlier.
        scores: float64 (texts,) by index in the request, 0..1.
        logits: Those of a cross-encoder; None for other methods.
        fallback: Why no cross-encoder answered.
        model: The model that took part; None without a model.
        truncated: Indices of the texts that were truncated.
        seconds: The time it took, loading the model included.
    """

    order: tuple[int, ...]
    scores: NDArray[np.float64]
    logits: NDArray[np.float32] | None
    method: Method
    fallback: str | None
    model: str | None
    sha256: str | None
    truncated: tuple[int, ...]
    seconds: float


class RerankService:
    """Ranks texts with the best installed model.

    Args:
        reranker: The name of the cross-encoder, empty for none.
        embedder: The name of the embedding model.
        timeout_s: The time limit of one request.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        models: Models[Any],
        reranker: str,
        embedder: str,
        timeout_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._reranker = OptionalModel(models, reranker, "RERANKER_MODEL")
        self._embedder = OptionalModel(models, embedder, "MODELS_DIR")
        self._timeout_s = timeout_s
        self._clock = clock

    def rank(self, query: str, texts: Sequence[str]) -> Ranking:
        """Rank texts by how well they answer a query.

        Raises:
            InvalidInput: A text is not valid Unicode.
            Unavailable: A model is still being loaded.
            TimedOut: The time limit was exceeded.
        """
        began = self._clock()

        def time_left_s() -> float:
            return began + self._timeout_s - self._clock()

        def ranking(
            scores: NDArray[np.float64],
            method: Method,
            logits: NDArray[np.float32] | None = None,
            fallback: str | None = None,
            model: str | None = None,
            sha256: str | None = None,
            truncated: tuple[int, ...] = (),
        ) -> Ranking:
            order = tuple(np.argsort(-scores, kind="stable").tolist())
            seconds = self._clock() - began
            return Ranking(
                order, scores, logits, method, fallback, model, sha256, truncated, seconds
            )

        reranker, why = self._reranker.get()
        if reranker is not None:
            read = reranker.value.score(query, texts, time_left_s=time_left_s)
            return ranking(
                # The sigmoid; 1 / (1 + exp(-x)) would overflow.
                0.5 + 0.5 * np.tanh(0.5 * read.logits.astype(np.float64)),
                "cross-encoder",
                read.logits,
                model=self._reranker.name,
                sha256=reranker.sha256,
                truncated=read.truncated,
            )
        words = bm25(query, texts)
        words /= max(words.max(), np.finfo(np.float64).tiny)
        embedder, why_not = self._embedder.get()
        if embedder is None:
            return ranking(words, "bm25", fallback=f"{why}; {why_not}")
        encoded = embedder.value.encode([query, *texts], time_left_s=time_left_s)
        cosines = encoded.vectors[1:].astype(np.float64) @ encoded.vectors[0]
        return ranking(
            COSINE * np.clip(cosines, 0, 1) + BM25 * words,
            "hybrid",
            fallback=why,
            model=self._embedder.name,
            sha256=embedder.sha256,
            truncated=tuple(place - 1 for place in encoded.truncated if place > 0),
        )
