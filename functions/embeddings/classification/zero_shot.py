"""Which description of a label a text lies closest to, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

L = TypeVar("L", bound=str)


class Embedder(Protocol):
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, dimensions) of unit length."""
        ...


@dataclass(frozen=True, slots=True)
class Guess(Generic[L]):
    """The most probable label.

    Attributes:
        label: It.
        confidence: Its probability, 0..1.
        description: Of the label, that the text is closest to.
        cosine: Between text and description.
        shares: Probability of every label.
    """

    label: L
    confidence: float
    description: str
    cosine: float
    shares: Mapping[L, float]


class ZeroShot(Generic[L]):
    """Labels by their descriptions.

    Args:
        labels: Label → sentences that texts of it are close to.
        temperature: Divides the cosines, so that the softmax of them is as often right as it says
            (Guo et al., 2017, https://arxiv.org/abs/1706.04599). tests/performance/classify.py
            prints the one that fits texts written for it.
    """

    def __init__(self, labels: Mapping[L, Sequence[str]], temperature: float) -> None:
        self._labels: Final = tuple(labels)
        self._descriptions = [text for texts in labels.values() for text in texts]
        counts = [len(texts) for texts in labels.values()]
        self._starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._temperature = temperature
        self._lock = Lock()
        self._known: NDArray[np.float32] | None = None

    def guess(self, vector: NDArray[np.float32], embedder: Embedder) -> Guess[L]:
        """The label of a text.

        Args:
            vector: Of the text (dimensions,), unit length, by the same embedder.
        """
        cosines = self._vectors(embedder) @ vector
        best = np.maximum.reduceat(cosines, self._starts)
        scores = np.exp((best - best.max()) / self._temperature)
        shares = scores / scores.sum()
        first = int(shares.argmax())
        closest = int(np.flatnonzero(cosines == best[first])[0])
        return Guess(
            self._labels[first],
            float(shares[first]),
            self._descriptions[closest],
            float(cosines[closest]),
            {label: float(share) for label, share in zip(self._labels, shares, strict=True)},
        )

    def _vectors(self, embedder: Embedder) -> NDArray[np.float32]:
        with self._lock:
            if self._known is None:
                self._known = embedder.embed(self._descriptions)
            return self._known
