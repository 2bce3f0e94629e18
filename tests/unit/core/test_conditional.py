"""Conditional requests: RFC 9110, section 13."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from hearth.http.conditional import (
    EntityTag,
    expected_versions,
    is_not_modified,
    not_modified,
    parse_entity_tags,
    set_headers,
    version_tag,
)


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("", []),
        ('"a"', [EntityTag("a")]),
        ('W/"a"', [EntityTag("a", weak=True)]),
        ('""', [EntityTag("")]),
        ('"a", W/"b" ,\t"c"', [EntityTag("a"), EntityTag("b", weak=True), EntityTag("c")]),
        (', "a",, "b" ,', [EntityTag("a"), EntityTag("b")]),
        ('"a,b"', [EntityTag("a,b")]),
        ('"a","b"', [EntityTag("a"), EntityTag("b")]),
        ('"a" "b"', []),
        ('"a', []),
        ("a", []),
        ('w/"a"', []),
        ('"a", nonsense', []),
        ('"a b"', []),
    ],
)
def test_a_list_of_entity_tags_is_parsed(header: str, tags: list[EntityTag]) -> None:
    assert parse_entity_tags(header) == tags


@given(
    st.lists(
        st.builds(
            EntityTag,
            st.text(st.characters(min_codepoint=0x23, max_codepoint=0x7E), max_size=8),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_what_is_written_is_parsed_again(tags: list[EntityTag]) -> None:
    assert parse_entity_tags(", ".join(map(str, tags))) == tags


@given(st.text(max_size=60))
def test_any_header_is_parsed_or_ignored(header: str) -> None:
    for tag in parse_entity_tags(header):
        assert str(tag) in header


@pytest.mark.parametrize(
    ("if_none_match", "same"),
    [
        (None, False),
        ("", False),
        ("*", True),
        (" * ", True),
        ('"ab"', True),
        ('W/"ab"', True),
        ('"x", W/"ab"', True),
        ('"a"', False),
        ('"abc"', False),
        ('xx"ab"', False),
        ("ab", False),
    ],
)
def test_if_none_match_compares_weakly_and_whole_tags(
    if_none_match: str | None, same: bool
) -> None:
    assert is_not_modified(if_none_match, EntityTag("ab")) is same
    assert is_not_modified(if_none_match, EntityTag("ab", weak=True)) is same


def test_not_modified_keeps_the_headers_that_a_cache_updates() -> None:
    answer = not_modified('"ab"', EntityTag("ab"), {"Cache-Control": "no-cache"})
    assert answer is not None
    assert answer.status_code == 304
    assert answer.headers["etag"] == '"ab"'
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.body == b""
    assert not_modified('"x"', EntityTag("ab")) is None


@pytest.mark.parametrize(
    ("if_match", "versions"),
    [
        (None, None),
        ("*", None),
        (" *", None),
        ('"3"', {3}),
        ('"3", "5"', {3, 5}),
        ('W/"3"', set()),
        ('W/"3", "5"', {5}),
        ('"03"', set()),
        ('"0"', set()),
        ('"-3"', set()),
        ('"٣"', set()),
        (f'"{2**64}"', set()),
        ("3", set()),
        ("", set()),
        ('"*"', set()),
    ],
)
def test_if_match_compares_strongly(if_match: str | None, versions: set[int] | None) -> None:
    assert expected_versions(if_match) == versions


def test_an_answer_names_its_version_and_whether_it_is_a_replay() -> None:
    response = Response()
    set_headers(response)
    assert "etag" not in response.headers
    set_headers(response, 4, replayed=True)
    assert response.headers["etag"] == str(version_tag(4)) == '"4"'
    assert response.headers["idempotency-replayed"] == "true"
