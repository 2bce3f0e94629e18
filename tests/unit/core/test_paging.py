from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.errors import InvalidInput
from hearth.paging import check_limit, decode_cursor, encode_cursor, page

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(st.lists(words, max_size=3))
def test_a_cursor_gives_back_what_it_was_made_of(parts: list[str]) -> None:
    cursor = encode_cursor(*parts)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(cursor, len(parts)) == tuple(parts)


@given(st.text() | words.map(encode_cursor), st.integers(0, 3))
def test_any_other_text_is_refused_as_invalid_input(cursor: str, parts: int) -> None:
    with contextlib.suppress(InvalidInput):
        assert len(decode_cursor(cursor, parts)) == parts


@pytest.mark.parametrize(
    "cursor", ["", "!", "bnVsbA", "WzFd", "ImEi", "WyJcdTAwMDAiXQ", "WyJcdWQ4MDAiXQ"]
)
def test_a_cursor_made_elsewhere_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(cursor, 1)


@pytest.mark.parametrize("limit", [1, 20, 100])
def test_a_page_holds_one_to_a_hundred(limit: int) -> None:
    assert check_limit(limit) == limit


@pytest.mark.parametrize("limit", [-1, 0, 101])
def test_other_page_sizes_are_refused(limit: int) -> None:
    with pytest.raises(InvalidInput, match=f"limit is {limit}"):
        check_limit(limit)


@pytest.mark.parametrize(
    ("rows", "shown", "more"),
    [([], [], None), (["a", "b"], ["a", "b"], None), (["a", "b", "c"], ["a", "b"], "b")],
)
def test_a_page_names_where_the_next_one_begins(
    rows: list[str], shown: list[str], more: str | None
) -> None:
    found, cursor = page(rows, 2, lambda row: (row,))
    assert found == shown
    assert cursor == (None if more is None else encode_cursor(more))
