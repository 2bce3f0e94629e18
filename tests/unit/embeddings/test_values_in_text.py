"""Numbers, times and durations in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.embeddings.extraction.extractor import Extractor
from functions.embeddings.extraction.registry import Registry

NOWHERE = Registry([])
Told = list[tuple[str, str, float | str, str | None]]


def values(text: str, at_least: float = 0.8) -> Told:
    """(words, type, value, unit) of each find."""
    found = []
    for located in Extractor().extract(text, NOWHERE):
        assert located.found.type is not None
        assert located.found.value is not None
        if located.found.confidence >= at_least:
            words = text[located.start : located.end]
            found.append((words, located.found.type, located.found.value, located.found.unit))
    return found


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("7", 7, None),
        ("21.5", 21.5, None),
        ("21,5", 21.5, None),
        ("1,234.5", 1234.5, None),
        ("٣٤", 34, None),
        ("3½", 3.5, None),
        ("twenty-one", 21, None),
        ("a hundred and six", 106, None),
        ("one thousand two hundred and six", 1206, None),
        ("two million and five", 2_000_005, None),
        ("twenty one point five", 21.5, None),
        ("minus five degrees", -5, "degree"),
        ("fifty percent", 50, "percent"),
        ("50 %", 50, "percent"),
        ("20 °C", 20, "celsius"),
        ("68 degrees fahrenheit", 68, "fahrenheit"),
        ("2700 kelvin", 2700, "kelvin"),
    ],
)
def test_a_number_has_its_value_and_unit(text: str, value: float, unit: str | None) -> None:
    assert values(text) == [(text, "number", value, unit)]
    assert values(f"set it to {text} please") == [(text, "number", value, unit)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7:30", "07:30"),
        ("19:45:10", "19:45:10"),
        ("7.30 pm", "19:30"),
        ("5pm", "17:00"),
        ("12 am", "00:00"),
        ("12 p.m.", "12:00"),
        ("seven thirty a.m.", "07:30"),
        ("five hundred and thirty am", "05:30"),
        ("eighteen hundred hours", "18:00"),
        ("seven o'clock", "07:00"),
        ("half past seven", "07:30"),
        ("quarter to one", "12:45"),
        ("twenty minutes past nine pm", "21:20"),
        ("noon", "12:00"),
        ("midnight", "00:00"),
    ],
)
def test_a_time_of_day_is_returned_as_hours_and_minutes(text: str, value: str) -> None:
    assert values(text) == [(text, "time", value, None)]
    assert values(f"wake me {text} tomorrow") == [(text, "time", value, None)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 secs", 90),
        ("an hour", 3600),
        ("another hour", 3600),
        ("half an hour", 1800),
        ("a quarter of an hour", 900),
        ("an hour and a half", 5400),
        ("two and a half hours", 9000),
        ("two hours and ten minutes", 7800),
        ("1h30", 5400),
        ("1h30m", 5400),
        ("5min", 300),
        ("a couple of days", 172_800),
    ],
)
def test_a_duration_is_returned_in_seconds(text: str, seconds: int) -> None:
    assert values(text) == [(text, "duration", seconds, "second")]
    assert values(f"for {text} only") == [(text, "duration", seconds, "second")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("the one that I like", []),
        ("set the alarm for seven", [("seven", "time", "07:00", None)]),
        ("set the lamp to seven", [("seven", "number", 7, None)]),
        ("seven in the evening", [("seven", "time", "19:00", None)]),
        ("eight to ten pm", [("eight", "time", "20:00", None), ("ten pm", "time", "22:00", None)]),
        ("25:00 and 7:61", []),
        ("99999999999999999999", []),
        ("for seveen minuts", [("seveen minuts", "duration", 420, "second")]),
        ("7.30 and 13 pm", [("7.30", "number", 7.3, None), ("13", "number", 13, None)]),
    ],
)
def test_the_meaning_of_a_number_depends_on_its_context(text: str, expected: Told) -> None:
    assert values(text) == expected


@given(
    hour=st.integers(1, 12), minute=st.integers(0, 59), half=st.sampled_from(["am", "PM", "p.m."])
)
def test_every_clock_time_is_read(hour: int, minute: int, half: str) -> None:
    afternoon = half[0].lower() == "p"
    expected = f"{hour % 12 + 12 * afternoon:02}:{minute:02}"
    assert values(f"at {hour}:{minute:02} {half}") == [
        (f"{hour}:{minute:02} {half}", "time", expected, None)
    ]


@given(number=st.integers(0, 999_999))
def test_every_spoken_number_is_read(number: int) -> None:
    assert values(f"to {spoken(number)}") == [(spoken(number), "number", number, None)]


SMALL_NAMES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
TENS_NAMES = "twenty thirty forty fifty sixty seventy eighty ninety"
SMALL = SMALL_NAMES.split()
TENS = ["", "", *TENS_NAMES.split()]


def spoken(number: int) -> str:
    if number < 20:
        return SMALL[number]
    if number < 100:
        tens, unit = divmod(number, 10)
        return TENS[tens] + (f"-{SMALL[unit]}" if unit else "")
    scale, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    head, tail = divmod(number, scale)
    return f"{spoken(head)} {name}" + (f" and {spoken(tail)}" if tail else "")
