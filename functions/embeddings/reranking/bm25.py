"""Okapi BM25 over the candidates of one query."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from functions.embeddings.extraction.words import words_of

K1: Final = 1.2
B: Final = 0.75
"""Saturation and length normalisation, Lucene's defaults."""


def bm25(query: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Score each text, (texts,), zero or more.

    Robertson and Zaragoza, 2009, with Lucene's inverse document frequency, which is never
    negative: among few texts a word is often in more than half of them.
    """
    bags = [Counter(word.stem for word in words_of(text)) for text in texts]
    lengths = np.array([bag.total() for bag in bags], np.float64)
    scores = np.zeros(len(bags))
    norm = K1 * (1 - B + B * lengths / max(1.0, lengths.mean() if len(bags) else 0.0))
    for term in {word.stem for word in words_of(query)}:
        counts = np.array([bag[term] for bag in bags], np.float64)
        having = int((counts > 0).sum())
        idf = math.log(1 + (len(bags) - having + 0.5) / (having + 0.5))
        scores += idf * counts * (K1 + 1) / (counts + norm + (norm == 0))
    return scores
