"""Times of day: "7:30 pm", "half past seven", "five hundred and thirty am", "noon"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from functions.embeddings.extraction.finds import Found
from functions.embeddings.extraction.numerals import Numeral
from functions.embeddings.extraction.words import Word

_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})(?::(\d{2}))?")
_NAMED = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}
_QUARTERS = {"quarter": 15, "half": 30}
_PARTS = {"morning": "am", "afternoon": "pm", "evening": "pm", "night": "pm"}
_PREPOSITIONS = frozenset({"at", "by", "until", "till", "before", "after", "around", "about"})
_WITH_CUE = frozenset({"for", "to", "from"})
_CUES = frozenset({"alarm", "wake", "remind", "reminder", "schedule", "snooze"})
_RANGE = frozenset({"to", "and", "until", "till"})
_NOT_AFTER = frozenset(
    {"%", "percent", "per", "degree", "second", "sec", "minute", "min", "hour", "day", "week"}
    | {"time", "level", "point", "step", "hundred", "thousand", "watt", "kelvin", "celsius"}
)
SURE, LIKELY, GUESSED = 0.98, 0.85, 0.6
"""Said with am, pm or o'clock; a bare hour after "alarm at"; a bare hour after "at"."""


@dataclass(frozen=True, slots=True)
class _Clock:
    first: int
    last: int
    hour: int
    minute: int
    second: int | None
    confidence: float
    half: str | None = None
    """am or pm; None when the text has neither."""


def clock_times(words: Sequence[Word], numbers: Sequence[Numeral]) -> list[Found]:
    """Find every time of day, as "HH:MM"; without am or pm the hour is taken as it is."""
    reader = _Reader(words, {number.first: number for number in numbers})
    times: list[_Clock] = []
    at = 0
    while at < len(words):
        time = reader.at(at)
        if time is None:
            at += 1
            continue
        times.append(time)
        at = time.last
    times += reader.opened_ranges(times)
    return [_found(time) for time in times]


class _Reader:
    def __init__(self, words: Sequence[Word], numbers: Mapping[int, Numeral]) -> None:
        self._words = words
        self._numbers = numbers
        self._has_cue = any(word.stem in _CUES for word in words)

    def at(self, at: int) -> _Clock | None:
        """Return the time that begins with word `at`."""
        time = self._named(at) or self._past(at) or self._digital(at) or self._spoken(at)
        return self._with_half(time) if time and time.half is None else time

    def opened_ranges(self, times: Sequence[_Clock]) -> Iterator[_Clock]:
        """The first hour of "eight to ten pm", which has its half of the day from the second."""
        taken = {index for time in times for index in range(time.first, time.last)}
        for time in times:
            opener = self._number_before(time.first - 1)
            if self._folded(time.first - 1) not in _RANGE or opener is None or time.half is None:
                continue
            if opener.first not in taken and _is_hour(opener.whole):
                hour = int(opener.value)
                yield _Clock(opener.first, opener.last, hour, 0, None, SURE, time.half)

    def _number_before(self, at: int) -> Numeral | None:
        return next((number for number in self._numbers.values() if number.last == at), None)

    def _named(self, at: int) -> _Clock | None:
        if name := _NAMED.get(self._folded(at)):
            return _Clock(at, at + 1, int(name[:2]), 0, None, SURE, half="")
        return None

    def _past(self, at: int) -> _Clock | None:
        """ "half past seven", "twenty minutes to nine"."""
        start = at + (self._folded(at) == "a")
        minutes = _QUARTERS.get(self._folded(start))
        after = start + 1
        if minutes is None:
            number = self._numbers.get(at)
            if number is None or number.whole is None or not 1 <= number.whole <= 59:
                return None
            minutes, after = number.whole, number.last
            after += self._stem(after) == "minute"
        relation = self._folded(after)
        hour = self._numbers.get(after + 1)
        if relation not in ("past", "to", "after") or hour is None or not _is_hour(hour.whole):
            return None
        named = self._folded(start) in _QUARTERS or self._stem(after - 1) == "minute"
        if relation != "past" and not named:
            return None  # "five to nine" is a range as well
        total = int(hour.value) * 60 + (minutes if relation != "to" else -minutes)
        said = total // 60 or 12
        return _Clock(at, hour.last, said, total % 60, None, SURE)

    def _digital(self, at: int) -> _Clock | None:
        match = _CLOCK.fullmatch(self._folded(at))
        if match is None:
            return None
        hour, minute, second = (int(part) if part else None for part in match.groups())
        if hour is None or minute is None or hour > 23 or minute > 59 or (second or 0) > 59:
            return None
        if "." in self._folded(at) and self._half(at + 1) is None:
            return None  # a decimal number
        return _Clock(at, at + 1, hour, minute, second, SURE)

    def _spoken(self, at: int) -> _Clock | None:
        number = self._numbers.get(at)
        if number is None or number.whole is None:
            return None
        spoken = self._hundreds(number) or self._hour_and_minutes(number)
        if spoken is None:
            return None
        last, hour, minute = spoken
        if self._stem(last - 1) == "hour":
            return _Clock(at, last, hour, minute, None, SURE, half="")
        if self._half(last) is not None:
            return _Clock(at, last, hour, minute, None, SURE) if 1 <= hour <= 12 else None
        if self._folded(last) in ("o'clock", "oclock"):
            return _Clock(at, last + 1, hour, minute, None, SURE)
        if self._part(last) is not None and 1 <= hour <= 12:
            return _Clock(at, last, hour, minute, None, LIKELY)
        before = self._folded(at - 1)
        if self._stem(last) in _NOT_AFTER or self._folded(last) in ("°", "am"):
            return None
        if self._has_cue and before in _PREPOSITIONS | _WITH_CUE:
            return _Clock(at, last, hour, minute, None, LIKELY)
        if before in _PREPOSITIONS:
            return _Clock(at, last, hour, minute, None, GUESSED)
        return None

    def _hundreds(self, number: Numeral) -> tuple[int, int, int] | None:
        """ "five hundred and thirty" as speech gives it for 5:30."""
        value = number.whole
        if value is None or not 100 <= value <= 2359 or value % 100 > 59:
            return None
        if self._stem(number.last) == "hour" and number.last - number.first > 1:
            return number.last + 1, value // 100, value % 100
        return number.last, value // 100, value % 100

    def _hour_and_minutes(self, number: Numeral) -> tuple[int, int, int] | None:
        if number.whole is None or not 0 <= number.whole <= 23:
            return None
        minutes = self._numbers.get(number.last)
        spoken = number.spoken and minutes is not None and minutes.spoken
        if spoken and minutes and minutes.whole is not None and 10 <= minutes.whole <= 59:
            return minutes.last, number.whole, minutes.whole
        return number.last, number.whole, 0

    def _half(self, at: int) -> str | None:
        """am or pm at word `at`: "am" and "pm" alone, or "a m"."""
        if self._folded(at) in ("am", "pm"):
            return self._folded(at)
        return None

    def _with_half(self, time: _Clock) -> _Clock:
        half = self._half(time.last)
        if half is not None:
            return replace(time, last=time.last + 1, half=half, confidence=SURE)
        part = self._part(time.last)
        if part is not None:
            return replace(time, half=part, confidence=max(time.confidence, LIKELY))
        return time

    def _part(self, at: int) -> str | None:
        """am or pm from "in the evening", "this evening", "at night" at word `at`."""
        for words in (("in", "the"), ("this",), ("at",), ("tomorrow",)):
            after = at + len(words)
            if tuple(self._folded(n) for n in range(at, after)) == words:
                return _PARTS.get(self._folded(after))
        return None

    def _folded(self, at: int) -> str:
        return self._words[at].folded if 0 <= at < len(self._words) else ""

    def _stem(self, at: int) -> str:
        return self._words[at].stem if 0 <= at < len(self._words) else ""


def _is_hour(value: int | None) -> bool:
    return value is not None and 1 <= value <= 12


def _found(time: _Clock) -> Found:
    hour = time.hour
    if time.half == "am" and hour == 12:
        hour = 0
    elif time.half == "pm" and hour < 12:
        hour += 12
    value = f"{hour:02}:{time.minute:02}" + (
        f":{time.second:02}" if time.second is not None else ""
    )
    return Found(time.first, time.last, "rule", time.confidence, type="time", value=value)
