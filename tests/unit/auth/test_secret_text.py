from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.auth.secret_text import Kind, new_secret, read_secret

KINDS: tuple[Kind, ...] = ("hk", "hr", "hi")


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_parsed_as_its_kind(kind: Kind) -> None:
    made = new_secret(kind)
    read = read_secret(kind, made.text)

    assert read is not None
    assert (read.id, read.digest) == (made.id, made.digest)
    assert read.matches(made.digest)
    assert re.fullmatch(rf"{kind}_[0-9A-Z]{{26}}_[0-9A-Za-z]{{49}}", made.text)
    assert [read_secret(other, made.text) for other in KINDS if other != kind] == [None, None]


def test_secrets_are_unique() -> None:
    assert len({new_secret("hk", "01KAJQ6T1M5W8Y2Z3X4V5B6N7M").text for _ in range(1000)}) == 1000


def test_a_secret_does_not_show_in_a_log() -> None:
    made = new_secret("hk")
    assert made.text not in repr(made)
    assert made.text not in f"{made}"


@given(st.data())
def test_a_typing_error_is_detected_without_a_database(data: st.DataObject) -> None:
    text = new_secret("hk").text
    at = data.draw(st.integers(0, len(text) - 1))
    typed = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != text[at]))

    assert read_secret("hk", text[:at] + typed + text[at + 1 :]) is None


@given(st.data())
def test_a_truncated_or_extended_secret_is_not_parsed(data: st.DataObject) -> None:
    text = new_secret("hk").text
    assert read_secret("hk", text[: data.draw(st.integers(0, len(text) - 1))]) is None
    assert read_secret("hk", text + data.draw(st.text(min_size=1))) is None


@given(st.text())
def test_any_other_text_is_not_parsed(text: str) -> None:
    assert read_secret("hk", text) is None
    assert read_secret("hk", f"hk_{text}") is None
