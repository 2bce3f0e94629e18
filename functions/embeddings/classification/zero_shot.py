"""Zero-shot classification: the label whose description is most similar to a text."""

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
        """Return vectors (n, dimensions) of unit length."""
        ...


@dataclass(frozen=True, slots=True)
class Guess(Generic[L]):
    """The most probable label.

    Attributes:
        confidence: The probability of the label, 0..1.
        description: The label's description that the text is most similar to.
        cosine: The similarity of text and description.
        shares: The probability of every label.
    """

    label: L
    confidence: float
    description: str
    cosine: float
    shares: Mapping[L, float]


class ZeroShot(Generic[L]):
    """Classifies by the descriptions of labels.

    Args:
        labels: Each label with its descriptions.
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
        """Return the most probable label of a text.

        Args:
            vector: The text's vector (dimensions,), of unit length, from the same embedder.
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
