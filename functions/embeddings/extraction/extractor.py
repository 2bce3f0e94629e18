"""Extracts entities of a text: areas and devices of a home, numbers, times and durations."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from functions.embeddings.extraction import matching
from functions.embeddings.extraction.clock_times import LIKELY, clock_times
from functions.embeddings.extraction.finds import Found, without_overlaps
from functions.embeddings.extraction.matching import Embedder
from functions.embeddings.extraction.measures import durations, quantities
from functions.embeddings.extraction.numerals import numerals
from functions.embeddings.extraction.registry import Registry
from functions.embeddings.extraction.spelling import correct_spelling, corrected_find
from functions.embeddings.extraction.words import EMPTY, Word, words_of

KEPT_REGISTRIES = 8


@dataclass(frozen=True, slots=True)
class Located:
    """A find with its position in the text, in code points."""

    found: Found
    start: int
    end: int


class LanguageModel(Embedder, Protocol):
    def knows(self, word: str) -> bool:
        """Whether a folded word is a word of the language and not a misspelling."""
        ...


class Extractor:
    """Extracts entities; caches the vectors of the last few registries."""

    def __init__(self) -> None:
        self._names: OrderedDict[tuple[str, ...], NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def extract(
        self, text: str, registry: Registry, model: LanguageModel | None = None
    ) -> list[Located]:
        """Return all finds, in the order of the text, with any confidence.

        Args:
            model: Compares meanings, always the same one; None leaves that out, and takes every
                word for a possible misspelling.

        Raises:
            HearthError: The model failed.
        """
        is_known = _nothing if model is None else model.knows
        words = words_of(text)
        read = correct_spelling(words, is_known)
        values = _values(read)
        lengths = [len(word.stem) for word in words]
        finds = [
            *matching.match_exact(words, registry),
            *matching.match_last_word(words, registry),
            *(corrected_find(found, words, read) for found in values),
        ]
        explained = without_overlaps(finds, lengths)
        rest = _unexplained(words, explained)
        if registry.keys and any(rest):
            finds += matching.match_misspelled(words, registry, is_known)
            explained = without_overlaps(finds, lengths)
            rest = _unexplained(words, explained)
            if model is not None and any(rest):
                names = self._vectors(registry, model)
                finds += matching.match_meaning(words, registry, rest, model, names)
                explained = without_overlaps(finds, lengths)
        mentioned = [found.entry for found in explained if found.entry is not None]
        settled = [matching.resolve_shared_name(found, registry, mentioned) for found in explained]
        return [
            Located(found, words[found.first].start, words[found.last - 1].end) for found in settled
        ]

    def _vectors(self, registry: Registry, model: Embedder) -> NDArray[np.float32]:
        """Return the vectors of the registry's names (n, dimensions), from a cache."""
        keys = tuple(registry.keys)
        with self._lock:
            if keys in self._names:
                self._names.move_to_end(keys)
                return self._names[keys]
        vectors = model.embed([registry.phrases[key].text for key in keys])
        with self._lock:
            self._names[keys] = vectors
            while len(self._names) > KEPT_REGISTRIES:
                self._names.popitem(last=False)
        return vectors


def _nothing(word: str) -> bool:
    return False


def _values(words: Sequence[Word]) -> list[Found]:
    """Find times, durations and numbers, without the numbers that are part of a likely time."""
    numbers = numerals(words)
    times = clock_times(words, numbers)
    hands = {
        index
        for time in times
        if time.confidence >= LIKELY
        for index in range(time.first, time.last)
    }
    rest = [number for number in numbers if hands.isdisjoint(range(number.first, number.last))]
    return [*times, *durations(words, rest), *quantities(words, rest)]


def _unexplained(words: Sequence[Word], finds: Sequence[Found]) -> list[bool]:
    taken = {
        index
        for found in finds
        if found.confidence >= 0.5
        for index in range(found.first, found.last)
    }
    return [
        index not in taken and word.folded not in EMPTY and any(map(str.isalpha, word.folded))
        for index, word in enumerate(words)
    ]
