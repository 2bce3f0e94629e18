from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.reports.pdf_text import MISSING, Style, runs, unavailable, width, wrap
from hearth.text import clean

BODY = Style()
ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=200)  # surrogates included


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a\r\nb\tc", "a  b c"),
        ("bell\x07 null\x00 escape\x1b[31m", "bell null escape[31m"),
        ("right\u202eto\u202cleft\u200b", "righttoleft"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("e\u0301", "\u00e9"),
    ],
)
def test_cleaned_text_is_one_printable_line(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "fonts"),
    [
        ("", []),
        ("Dock 4, Größe €", ["Helvetica"]),
        ("Łódź", ["NotoSans", "Helvetica", "NotoSans"]),
        ("двор", ["NotoSans"]),
        ("東京", ["NotoSans"]),
    ],
)
def test_each_stretch_is_set_in_a_font_that_has_it(text: str, fonts: list[str]) -> None:
    assert [run.font for run in runs(text, bold=False)] == fonts


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("Größe", 0), ("Łódź двор Ωμέγα", 0), ("東京", 2), ("مرحبا", 5), ("a👷b", 1)],
)
def test_characters_without_a_font_are_counted(text: str, count: int) -> None:
    assert unavailable(text) == count


def test_a_character_without_a_font_becomes_the_replacement_character() -> None:
    assert "".join(run.text for run in runs("a東b", bold=True)) == f"a{MISSING}b"


def test_empty_text_is_one_empty_line() -> None:
    assert wrap("", BODY, 100) == [""]


def test_a_word_wider_than_the_line_is_cut_between_characters() -> None:
    lines = wrap("x" * 100, BODY, 50)
    assert "".join(lines) == "x" * 100
    assert all(width(line, BODY) <= 50 for line in lines)


@given(text=ANY_TEXT, available=st.floats(20, 400))
def test_wrapping_any_text_keeps_every_character_and_the_width(text: str, available: float) -> None:
    cleaned = clean(text)
    lines = wrap(cleaned, BODY, available)
    assert "".join(lines).replace(" ", "") == cleaned.replace(" ", "")
    assert all(width(line, BODY) <= available + 1e-6 or len(line) <= 1 for line in lines)


@given(text=ANY_TEXT)
def test_runs_of_any_text_put_together_have_its_length(text: str) -> None:
    cleaned = clean(text)
    assert len("".join(run.text for run in runs(cleaned, bold=False))) == len(cleaned)
