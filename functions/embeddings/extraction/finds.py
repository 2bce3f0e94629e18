"""Finds in a text, and the choice among those that overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from functions.embeddings.extraction.registry import Entry

Method = Literal["exact", "partial", "fuzzy", "embedding", "rule"]
ValueType = Literal["number", "time", "duration"]
# A find by meaning never wins over one by spelling.
_WEIGHTS: dict[Method, float] = {
    "exact": 1,
    "rule": 1,
    "partial": 0.9,
    "fuzzy": 0.95,
    "embedding": 0.3,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A find.

    Attributes:
        first: Index of its first word.
        last: One after that of its last word.
        confidence: 0..1, that these words mean just this.
        entry: Of the registry; None for a value.
        alternatives: Other entries that the same words may mean, each as likely as this one.
        type: Of a value.
        value: A number; "HH:MM" or "HH:MM:SS"; seconds.
        unit: Of a number or duration.
    """

    first: int
    last: int
    method: Method
    confidence: float
    entry: Entry | None = None
    alternatives: tuple[Entry, ...] = ()
    type: ValueType | None = None
    value: float | str | None = None
    unit: str | None = None


def without_overlaps(finds: Iterable[Found], lengths: Sequence[int]) -> list[Found]:
    """Return the best finds of which no two share a word, in the order of the text.

    Args:
        lengths: Of each word, folded, as similarity counts them; what explains more is better.
    """

    def worth(found: Found) -> tuple[float, int, int]:
        letters = sum(lengths[found.first : found.last])
        return _WEIGHTS[found.method] * found.confidence * letters, letters, -found.first

    taken: set[int] = set()
    kept = []
    for found in sorted(finds, key=worth, reverse=True):
        words = range(found.first, found.last)
        if taken.isdisjoint(words):
            taken.update(words)
            kept.append(found)
    return sorted(kept, key=lambda found: found.first)
