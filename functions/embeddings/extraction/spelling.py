"""Corrects misspelled words of numbers and times: "seveen", "minuts"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rapidfuzz.distance import OSA

from functions.embeddings.extraction.finds import Found
from functions.embeddings.extraction.words import Word, stem

_TEXT = """
zero three four five seven eight nine eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million
point quarter half past noon midday midnight second seconds minute minutes hour hours day days
week weeks percent degree degrees celsius fahrenheit morning afternoon evening
"""
_WORDS = tuple(word for word in _TEXT.split() if len(word) >= 4)
CORRECTED = 0.88
"""Factor on the confidence of a find with a corrected word."""


def correct_spelling(words: Sequence[Word], is_known: Callable[[str], bool]) -> list[Word]:
    """Correct words that are one edit away from a word of numbers or times.

    Args:
        is_known: Whether something is a word of the language: it stays as it is.
    """
    return [
        replace(word, folded=better, stem=stem(better))
        if (better := _correction(word.folded, is_known)) is not None
        else word
        for word in words
    ]


def corrected_find(found: Found, words: Sequence[Word], read: Sequence[Word]) -> Found:
    """Lower the confidence of a find among corrected words that differ from those of the text."""
    same = words[found.first : found.last] == read[found.first : found.last]
    return found if same else replace(found, confidence=found.confidence * CORRECTED)


def _correction(word: str, is_known: Callable[[str], bool]) -> str | None:
    if len(word) < 4 or not word.isalpha() or is_known(word) or word in _WORDS:
        return None
    near = {
        stem(other): other for other in _WORDS if OSA.distance(word, other, score_cutoff=1) <= 1
    }
    return next(iter(near.values())) if len(near) == 1 else None
