from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hearth.errors import InvalidInput
from hearth.ids import format_time, new_ulid, parse_time, ulid_from, utc_now

WHEN = datetime(2026, 11, 2, 7, 30, 0, 123456, tzinfo=UTC)
times = st.datetimes(timezones=st.just(UTC))


def test_the_same_facts_give_the_same_ulid() -> None:
    assert ulid_from(WHEN, "gate", "yard") == ulid_from(WHEN, "gate", "yard")
    assert len(ulid_from(WHEN)) == 26


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((), ("",)),
        (("ab", "c"), ("a", "bc")),
        (("a", "b"), ("b", "a")),
        (("a",), ("a", "")),
        (("\x1f",), ("", "")),
    ],
)
def test_different_facts_give_different_ulids(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    assert ulid_from(WHEN, *a) != ulid_from(WHEN, *b)


def test_ulids_sort_by_their_time() -> None:
    later = ulid_from(WHEN + timedelta(milliseconds=1), "a")
    assert ulid_from(WHEN, "z") < later
    assert ulid_from(WHEN, "a")[:10] == ulid_from(WHEN, "b")[:10]


def test_a_ulid_needs_a_time_with_a_zone() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        ulid_from(WHEN.replace(tzinfo=None))


@pytest.mark.parametrize("year", [1, 1969, 1970])
def test_a_time_before_1970_has_a_ulid_that_begins_as_1970_does(year: int) -> None:
    assert ulid_from(datetime(year, 1, 1, tzinfo=UTC), "gate")[:10] == "0" * 10
    assert len(ulid_from(datetime(9999, 12, 31, tzinfo=UTC))) == 26


def test_a_new_ulid_is_unique() -> None:
    assert len({new_ulid() for _ in range(1000)}) == 1000


@given(times)
def test_a_formatted_time_parses_back_to_itself(when: datetime) -> None:
    text = format_time(when)
    assert len(text) == 27
    assert parse_time(text) == when


@given(times, times)
def test_text_order_is_time_order(a: datetime, b: datetime) -> None:
    assert (format_time(a) < format_time(b)) == (a < b)


def test_a_formatted_time_is_utc() -> None:
    east = datetime(2026, 11, 2, 8, 30, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(east) == "2026-11-02T07:30:00.000000Z"
    with pytest.raises(ValueError, match="timezone-aware"):
        format_time(datetime(2026, 11, 2))  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-02T07:30:00.123456Z",
        "2026-11-02t08:30:00.123456+01:00",
        "2026-11-02 07:30:00.123456789Z",
    ],
)
def test_rfc_3339_is_read_with_any_offset(text: str) -> None:
    assert parse_time(text) == WHEN
    assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-02",
        "2026-11-02T07:30:00",
        "2026-02-30T00:00:00Z",
        "20261102T073000Z",
        "2026-11-02T07:30:00.Z",
        "0001-01-01T00:00:00+23:59",
        "٢٠٢٦-11-02T07:30:00Z",
    ],
)
def test_anything_else_is_refused_with_the_value_and_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="RFC 3339"):
        parse_time(text)


@given(st.text())
def test_no_text_does_worse_than_invalid_input(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert parse_time(text).tzinfo is UTC


def test_now_is_aware() -> None:
    assert utc_now().tzinfo is UTC
