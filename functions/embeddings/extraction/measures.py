"""Durations ("an hour and a half") and numbers with their units ("minus five degrees")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from functions.embeddings.extraction.finds import Found
from functions.embeddings.extraction.numerals import Numeral
from functions.embeddings.extraction.words import Word

_SECONDS = {
    **dict.fromkeys(("second", "sec", "s"), 1),
    **dict.fromkeys(("minute", "min", "m"), 60),
    **dict.fromkeys(("hour", "hr", "h"), 3600),
    **dict.fromkeys(("day", "d"), 86_400),
    "week": 604_800,
}
_LETTERS = frozenset({"s", "m", "h", "d"})
"""Units only where they touch their number: "1h30m"."""
_ONE = frozenset({"a", "an", "another"})
_UNITS: Mapping[tuple[str, ...], str] = {
    ("%",): "percent",
    ("percent",): "percent",
    ("per", "cent"): "percent",
    ("degree", "celsius"): "celsius",
    ("degree", "fahrenheit"): "fahrenheit",
    ("degree",): "degree",
    ("°", "c"): "celsius",
    ("°", "f"): "fahrenheit",
    ("°",): "degree",
    ("celsius",): "celsius",
    ("fahrenheit",): "fahrenheit",
    ("kelvin",): "kelvin",
    ("kilowatt",): "kilowatt",
    ("kw",): "kilowatt",
    ("watt",): "watt",
    ("lux",): "lux",
    ("decibel",): "decibel",
}
_MINUS = frozenset({"minus", "negative"})
_LEADS = frozenset({"to", "by", "at", "level", "number", "channel", "for", "set", "volume", "step"})
SURE, BARE, PRONOUN = 0.98, 0.9, 0.4
"""With its unit; alone; "one" alone, which mostly means "it"."""


def durations(words: Sequence[Word], numbers: Sequence[Numeral]) -> list[Found]:
    """Find every duration, in seconds."""
    starts = {number.first: number for number in numbers}
    found = []
    at = 0
    while at < len(words):
        part = _part(words, starts, at)
        if part is None:
            at += 1
            continue
        first, (total, unit, at) = at, part
        while (more := _part(words, starts, at + (_folded(words, at) == "and"))) and more[1] < unit:
            total, (_, unit, at) = total + more[0], more
        found.append(
            Found(first, at, "rule", SURE, type="duration", value=float(total), unit="second")
        )
    return found


def quantities(words: Sequence[Word], numbers: Sequence[Numeral]) -> list[Found]:
    """Find every number, with the unit that follows it."""
    return [_quantity(words, number) for number in numbers]


def _part(
    words: Sequence[Word], starts: Mapping[int, Numeral], at: int
) -> tuple[float, int, int] | None:
    """(seconds, seconds of the unit, index after it) of "two and a half hours" at word `at`."""
    amount, after = _amount(words, starts, at)
    if amount is None:
        return None
    unit = _SECONDS.get(words[after].stem) if after < len(words) else None
    if unit is None or (
        words[after].stem in _LETTERS and words[after - 1].end != words[after].start
    ):
        return None
    after += 1
    if [_folded(words, after + n) for n in range(3)] == ["and", "a", "half"]:
        return (amount + 0.5) * unit, unit, after + 3
    if [_folded(words, after + n) for n in range(3)] == ["and", "a", "quarter"]:
        return (amount + 0.25) * unit, unit, after + 3
    # "1h30": what is left over counts the next smaller unit.
    rest = starts.get(after)
    if unit == 3600 and rest and words[after - 1].end == words[after].start and rest.value < 60:
        following = _SECONDS.get(_stem(words, rest.last))
        if following is None:
            return amount * unit + rest.value * 60, 60, rest.last
    return amount * unit, unit, after


def _amount(
    words: Sequence[Word], starts: Mapping[int, Numeral], at: int
) -> tuple[float | None, int]:
    name = _folded(words, at)
    number = starts.get(at)
    if number is not None:
        if [_folded(words, number.last + n) for n in range(3)] == ["and", "a", "half"]:
            return number.value + 0.5, number.last + 3
        return number.value, number.last
    begin = at + (name == "a")
    share = {"half": 0.5, "quarter": 0.25}.get(_folded(words, begin))
    if share is not None:
        after = begin + 1
        after += _folded(words, after) == "of"
        return share, after + (_folded(words, after) in _ONE)
    if name == "a" and _folded(words, at + 1) == "couple":
        return 2.0, at + 2 + (_folded(words, at + 2) == "of")
    return (1.0, at + 1) if name in _ONE else (None, at)


def _quantity(words: Sequence[Word], number: Numeral) -> Found:
    first, value = number.first, number.value
    if _folded(words, first - 1) in _MINUS:
        first, value = first - 1, -value
    confidence = BARE
    lone = number.last - number.first == 1
    if lone and words[number.first].folded == "one" and _folded(words, first - 1) not in _LEADS:
        confidence = PRONOUN
    for names, unit in _UNITS.items():
        if tuple(_stem(words, number.last + n) for n in range(len(names))) == names:
            last = number.last + len(names)
            return Found(first, last, "rule", SURE, type="number", value=value, unit=unit)
    return Found(first, number.last, "rule", confidence, type="number", value=value)


def _folded(words: Sequence[Word], at: int) -> str:
    return words[at].folded if 0 <= at < len(words) else ""


def _stem(words: Sequence[Word], at: int) -> str:
    return words[at].stem if 0 <= at < len(words) else ""
