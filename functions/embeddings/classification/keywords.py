"""Classification by keywords, the last fallback."""

from __future__ import annotations

from typing import Final

from functions.embeddings.classification.labels import (
    DEFAULT_CATEGORY,
    DEFAULT_PRIORITY,
    Category,
    Priority,
)
from functions.embeddings.extraction.words import stem, words_of

_WORDS: Final[dict[Category, frozenset[str]]] = {
    "energy": frozenset({"power", "electricity", "consumption"}),
    "comfort": frozenset({"temperature", "thermostat", "climate", "heat", "cool", "lighting"}),
    "security": frozenset({"lock", "door", "alarm", "camera", "monitor", "safety"}),
}
"""As contracts.md gives them, section 1."""
_ENDINGS: Final = ("ing", "ed", "er", "ity", "s")


def classify_by_keywords(text: str) -> tuple[Category, Priority, tuple[str, ...]]:
    """Return category, priority and the words that decided; without words, the default.

    The category with most words wins; of equal ones the first.
    """
    stems = [word.stem for word in words_of(text)]
    found = {
        category: tuple(s for s in stems if _root(s) in map(_root, map(stem, words)))
        for category, words in _WORDS.items()
    }
    category = max(found, key=lambda name: len(found[name]))
    if not found[category]:
        return DEFAULT_CATEGORY, DEFAULT_PRIORITY, ()
    return category, DEFAULT_PRIORITY, found[category]


def _root(word: str) -> str:
    """ "heating", "heated" and "heat" are one."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word
