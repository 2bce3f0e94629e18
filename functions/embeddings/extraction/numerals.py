"""Numbers, in digits of any script or in English words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from functions.embeddings.extraction.words import FRACTIONS, Word

_SMALL_NAMES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
_TENS_NAMES = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {name: value for value, name in enumerate(_SMALL_NAMES.split())}
_TENS = {name: 10 * value for value, name in enumerate(_TENS_NAMES.split(), start=2)}
_SCALES = {"thousand": 1_000, "million": 1_000_000}
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_PLAIN = re.compile(r"\d+(?:[.,]\d+)?")
MAX_DIGITS = 15
"""Longer ones are identifiers, and do not fit into a float."""


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number in a text: words `first` up to but without `last`."""

    first: int
    last: int
    value: float
    spoken: bool

    @property
    def whole(self) -> int | None:
        """The value if it is a whole number."""
        return int(self.value) if self.value == int(self.value) else None


def numerals(words: Sequence[Word]) -> list[Numeral]:
    """Find every number, without sign; "twenty one" is one, "seven thirty" are two."""
    found = []
    at = 0
    while at < len(words):
        numeral = _digits(words, at) or _spoken(words, at)
        if numeral is None:
            at += 1
            continue
        found.append(numeral)
        at = numeral.last
    return found


def _digits(words: Sequence[Word], at: int) -> Numeral | None:
    text = words[at].folded
    if text in FRACTIONS:
        return Numeral(at, at + 1, FRACTIONS[text], spoken=False)
    if not text[:1].isdecimal() or sum(c.isdecimal() for c in text) > MAX_DIGITS:
        return None
    if _GROUPED.fullmatch(text):
        return Numeral(at, at + 1, float(text.replace(",", "")), spoken=False)
    if not _PLAIN.fullmatch(text):
        return None
    value = float(text.replace(",", "."))
    follower = words[at + 1].folded if at + 1 < len(words) else ""
    if follower in FRACTIONS and words[at].end == words[at + 1].start:
        return Numeral(at, at + 2, value + FRACTIONS[follower], spoken=False)
    return Numeral(at, at + 1, value, spoken=False)


def _spoken(words: Sequence[Word], at: int) -> Numeral | None:
    """Return the longest spoken number that begins with word `at`."""
    first, total, seen = at, 0, False
    largest = 10**9
    while True:
        group = _below_thousand(words, at)
        if group is None:
            break
        below, after = group
        scale = _SCALES.get(_folded(words, after), 1)
        if scale >= largest:
            break
        total += below * scale
        at, seen, largest = after + (scale > 1), True, scale
        if scale == 1:
            break
        following = at + (_folded(words, at) == "and")
        if _below_thousand(words, following) is None:
            break
        at = following
    if not seen:
        return None
    value = float(total)
    if _folded(words, at) == "point":
        decimals = ""
        after = at + 1
        while (digit := _SMALL.get(_folded(words, after), 10)) < 10 and len(decimals) < MAX_DIGITS:
            decimals += str(digit)
            after += 1
        if decimals:
            return Numeral(first, after, float(f"{total}.{decimals}"), spoken=True)
    return Numeral(first, at, value, spoken=True)


def _below_thousand(words: Sequence[Word], at: int) -> tuple[int, int] | None:
    """(value, index after it) of "six", "twenty six", "a hundred", "two hundred and six"."""
    name = _folded(words, at)
    if name == "a" and _folded(words, at + 1) == "hundred":
        head, after = 1, at + 1
    else:
        below = _below_hundred(words, at)
        if below is None:
            return (100, at + 1) if name == "hundred" else None
        head, after = below
    if _folded(words, after) != "hundred" or not 1 <= head <= 99:
        return head, after
    after += 1
    tail = _below_hundred(words, after + (_folded(words, after) == "and"))
    return (head * 100 + tail[0], tail[1]) if tail else (head * 100, after)


def _below_hundred(words: Sequence[Word], at: int) -> tuple[int, int] | None:
    name = _folded(words, at)
    if name in _SMALL:
        return _SMALL[name], at + 1
    if name not in _TENS:
        return None
    unit = _SMALL.get(_folded(words, at + 1), 0)
    return (_TENS[name] + unit, at + 2) if 1 <= unit <= 9 else (_TENS[name], at + 1)


def _folded(words: Sequence[Word], at: int) -> str:
    return words[at].folded if 0 <= at < len(words) else ""
