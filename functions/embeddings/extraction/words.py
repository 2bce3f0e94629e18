"""Splits a text into words with their positions, and normalizes them for comparison."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

# Scripts without spaces between words: each character is a word, and phrases are joined characters.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_LETTER = rf"(?:(?![{_UNSPACED}])[^\W\d_][\u0300-\u036f]*)"
_WORD = re.compile(
    rf"[ap]\.\s?m\b\.?|[{_UNSPACED}]|\d+(?:[.,:]\d+)*|{_LETTER}+(?:['\u2019]{_LETTER}+)*|[%°½¼¾]",
    re.IGNORECASE,
)


_EMPTY_WORDS = """
a about after again all am an and any are as at away be been before bit bring but by can change
close could did do does don't down for from get give go good had has have hello her here hey him
his how i i'd i'm if in into is isn't it it's its just keep let let's like little make many me
more most much my need no not now of off ok on one only open or our out over please put really
right set shall she should show so some start stop switch take tell than that the their them
then there these they this those to too turn turned until up us very want was we were what when
where which while who why will with would yes yet you your
"""
EMPTY = frozenset(_EMPTY_WORDS.split())
"""Stop words of commands, which are never the name of a device."""
FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text.

    Attributes:
        folded: Without case and accents.
        stem: The same without an English plural or possessive ending.
        start: Its first code point in the text.
        end: One after its last.
    """

    folded: str
    stem: str
    start: int
    end: int


def words_of(text: str) -> list[Word]:
    """Split a text into words; "5pm" is two, "7:30" one."""
    return [
        Word(folded, stem(folded), match.start(), match.end())
        for match in _WORD.finditer(text)
        if (folded := fold(match.group()))
    ]


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Remove case, accents and compatibility forms; "a.m." is "am"."""
    if text in FRACTIONS:
        return text
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("\u2019", "'"))
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return plain.replace(".", "").replace(" ", "") if plain[:1] in "ap" and "." in plain else plain


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Remove a plural or possessive ending.

    Both sides of a comparison pass through here, so what it does to words that are no plurals
    ("bus") or not English harms nothing.
    """
    word = word.removesuffix("'s").removesuffix("s'")
    if len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "zes", "sses")):
        return word[:-2]
    return word.removesuffix("s")


def joined(words: Sequence[Word]) -> str:
    """Join the stems of words without spaces: "living room" and "livingroom" are equal."""
    return "".join(word.stem for word in words)


def windows(words: Sequence[Word], longest: int) -> Iterator[tuple[int, int]]:
    """Iterate over (first, last + 1) of each run of one to `longest` words."""
    for first in range(len(words)):
        for last in range(first + 1, min(first + longest, len(words)) + 1):
            yield first, last
