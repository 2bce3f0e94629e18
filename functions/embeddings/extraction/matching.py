"""Finds names of the registry in a text: exact, misspelled, or by meaning."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from functions.embeddings.extraction.finds import Found, Method
from functions.embeddings.extraction.registry import Entry, Phrase, Registry
from functions.embeddings.extraction.words import EMPTY, Word, joined, windows

INFLECTED = 0.97
"""Confidence of a plural, or of words joined or separated differently than in the registry."""
PARTIAL, QUALIFIED = 0.85, 0.6
"""Confidence of the last word of a name alone, and behind a word that is not of the name."""
SIMILARITY = 0.75
"""Least similarity of a misspelled name: one edit in four letters, two in eight."""
MAX_GUESSES = 64
"""Most runs of words that are embedded for one text."""
LEAST_GUESS = 0.3
"""Minimum cosine of a find by meaning: every word is most similar to something."""
_LONGEST_GUESS = 3


class Embedder(Protocol):
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors (n, dimensions) of unit length."""
        ...


def match_exact(words: Sequence[Word], registry: Registry) -> list[Found]:
    """Find names exactly, ignoring case, accents, endings and spaces."""
    found = []
    for first, last in windows(words, registry.longest + 1):
        phrase = registry.phrases.get(joined(words[first:last]))
        if phrase is None:
            continue
        spelled = "".join(word.folded for word in words[first:last])
        same = spelled == phrase.spelled and last - first == phrase.words
        found.append(_find(first, last, "exact", 1.0 if same else INFLECTED, phrase))
    return found


def match_last_word(words: Sequence[Word], registry: Registry) -> list[Found]:
    """Find last words of longer names: an English name ends in what the thing is.

    The word before must not make it another thing: "washing machine" is no coffee machine.
    """
    found = []
    for at, word in enumerate(words):
        phrase = registry.heads.get(word.stem)
        if phrase is None or word.stem in registry.phrases:
            continue
        qualified = at > 0 and words[at - 1].folded not in EMPTY
        found.append(_find(at, at + 1, "partial", QUALIFIED if qualified else PARTIAL, phrase))
    return found


def match_misspelled(
    words: Sequence[Word], registry: Registry, is_known: Callable[[str], bool]
) -> list[Found]:
    """Find misspelled names.

    Args:
        is_known: Whether something is a word of the language: "night" is no misspelled "light".
    """
    known = [is_known(word.folded) or not word.folded.isalpha() for word in words]
    found = []
    for first, last in windows(words, registry.longest + 1):
        text = joined(words[first:last])
        if len(text) < 4 or text in registry.phrases or all(known[first:last]):
            continue
        if {words[first].folded, words[last - 1].folded} & EMPTY:
            continue  # "in" is not the end of a misspelled name
        best = process.extractOne(
            text,
            registry.keys,
            scorer=OSA.normalized_similarity,
            processor=None,
            score_cutoff=SIMILARITY,
        )
        if best is None:
            continue
        key, similarity, _ = best
        found.append(_find(first, last, "fuzzy", similarity, registry.phrases[key]))
    return found


def match_meaning(
    words: Sequence[Word],
    registry: Registry,
    free: Sequence[bool],
    embedder: Embedder,
    names: NDArray[np.float32],
) -> list[Found]:
    """Find names by meaning: "hoover" for the vacuum cleaner.

    Args:
        free: Of each word: whether nothing else has explained it and it carries meaning.
        names: Vectors of the registry's names, in the order of its `keys`.
    """
    guesses = [
        (first, last) for first, last in windows(words, _LONGEST_GUESS) if all(free[first:last])
    ][:MAX_GUESSES]
    if not guesses or not registry.keys:
        return []
    texts = [" ".join(word.folded for word in words[a:b]) for a, b in guesses]
    cosines = embedder.embed(texts) @ names.T
    best = cosines.argmax(axis=1)
    found = []
    for row, (first, last) in enumerate(guesses):
        phrase = registry.phrases[registry.keys[best[row]]]
        # "hot coffee" is similar to "coffee machine" because of the shared word, and is not it.
        if phrase.stems.isdisjoint(word.stem for word in words[first:last]):
            confidence = confidence_of_cosine(float(cosines[row, best[row]]))
            if confidence >= LEAST_GUESS:
                found.append(_find(first, last, "embedding", confidence, phrase))
    return found


def confidence_of_cosine(cosine: float) -> float:
    """Return the confidence that two short names mean the same, 0..1; 0.8 at a cosine of 0.72.

    Set so that none of the 40 pairs of different things in tests/performance/name_pairs.json
    reaches 0.8; a curve fitted to the pairs would take many of a text's other words for a device.
    """
    return 1 / (1 + math.exp(-20 * (cosine - 0.65)))


def resolve_shared_name(found: Found, registry: Registry, mentioned: Sequence[Entry]) -> Found:
    """Choose among entries that share a name: those of an area that the text mentions.

    Who is left shares the confidence: of four lamps each is meant with a quarter of it.
    """
    if found.entry is None or not found.alternatives:
        return found
    entries = (found.entry, *found.alternatives)
    inside = [entry for entry in entries if registry.area_of(entry) in mentioned]
    chosen, *others = inside or entries
    return Found(
        found.first,
        found.last,
        found.method,
        found.confidence / (1 + len(others)),
        chosen,
        tuple(others),
    )


def _find(first: int, last: int, method: Method, confidence: float, phrase: Phrase) -> Found:
    entry, *others = phrase.entries
    return Found(first, last, method, min(1.0, confidence), entry, tuple(others))
