"""Filters, order and cursors of a resource against plain Python, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth.db import Database
from hearth.errors import InvalidInput
from hearth.ids import format_time, new_ulid
from hearth.resource.filters import (
    MAX_FILTER_BYTES,
    cursor_after,
    parse_filter,
    parse_order,
    read_cursor,
)
from hearth.resource.rows import Rows
from hearth.resource.table import table_of
from tests.support.resources import GADGETS

OWNER = "ana"
START = datetime(2026, 11, 2, 7, 30, tzinfo=UTC)
# Few and awkward: equal ones, other scripts, wildcards of LIKE, both cases, beyond 16 bits.
TEXTS = ["a", "A", "ab", "b%", "_b", "Äb", "ß", "zz", "\U0001f600", "é", "e", "a'b", '"', "\\"]
NUMBERS = [0.0, 0.5, 1.0, 2.5, 1e9]
TIMES = [START + timedelta(hours=n) for n in range(4)]

Row = dict[str, Any]


def a_row(n: int) -> Row:
    """One of many rows, each its own mixture."""
    pick: Callable[[list[Any], int], Any] = lambda values, step: values[n * step % len(values)]  # noqa: E731
    return {
        "id": new_ulid(),
        "owner_id": OWNER,
        "version": 1 + n % 3,
        "created_at": START + timedelta(minutes=n % 5),
        "updated_at": START + timedelta(minutes=n),
        "name": f"{pick(TEXTS, 1)}{n}",
        "notes": pick(TEXTS, 3),
        "place": pick([None, *TEXTS], 5),
        "color": pick(["red", "green"], 1),
        "count": pick([0, 1, 2, 7, 2**31 - 1], 3),
        "weight": pick([None, *NUMBERS], 5),
        "enabled": pick([True, False, False], 1),
        "bought_at": pick([None, *TIMES], 3),
        "shape": None,
        "serial": None,
        "slug": "x",
    }


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [a_row(n) for n in range(60)]


@pytest.fixture
def db(database_url: str, rows: list[Row]) -> Iterator[Database]:
    database = Database(database_url)
    table = table_of(GADGETS)
    database.write(table.metadata.create_all)
    database.write(lambda tx: tx.execute(table.insert(), rows))
    database.write(
        lambda tx: tx.execute(table.insert(), [a_row(99) | {"owner_id": "ben", "name": "his"}])
    )
    yield database
    database.close()


# ---- the oracle ----


def holds(row: Row, name: str, operator: str, wanted: Any) -> bool:
    """Whether one condition holds, as the documentation says it."""
    value = row[name]
    if name in ("bought_at", "created_at") and operator != "$null":
        value = format_time(value) if value is not None else None
    match operator:
        case "$null":
            return (value is None) == wanted
        case "$eq":
            return bool(value == wanted)
        case "$ne":
            return bool(value != wanted)
        case "$in":
            return value in wanted
        case "$nin":
            return value not in wanted
        case "$contains":
            return value is not None and wanted in value
        case "$gt":
            return value is not None and value > wanted
        case "$gte":
            return value is not None and value >= wanted
        case "$lt":
            return value is not None and value < wanted
        case _:
            return value is not None and value <= wanted


VALUES: dict[str, Any] = {
    "notes": st.sampled_from(TEXTS) | st.text("abAÄ%_", min_size=1, max_size=2),
    "place": st.sampled_from(TEXTS),
    "color": st.sampled_from(["red", "green"]),
    "count": st.sampled_from([0, 1, 2, 7, 2**31 - 1]) | st.integers(-5, 9),
    "weight": st.sampled_from(NUMBERS) | st.integers(0, 3),
    "enabled": st.booleans(),
    "bought_at": st.sampled_from([format_time(time) for time in TIMES]),
    "created_at": st.sampled_from([format_time(time) for time in TIMES]),
}


@st.composite
def filters(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True)):
        known = sorted(GADGETS.field(name).operators)
        for operator in draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)):
            value = VALUES[name]
            if operator == "$null":
                value = st.booleans()
            elif operator in ("$in", "$nin"):
                value = st.lists(value, min_size=1, max_size=3)
            found.setdefault(name, {})[operator] = draw(value)
    return found


def page(db: Database, text: str | None, order: str, limit: int, cursor: str | None) -> list[Row]:
    conditions, by = parse_filter(GADGETS, text), parse_order(GADGETS, order)
    after = read_cursor(cursor, by, "list") if cursor is not None else None
    return db.read(lambda tx: Rows(GADGETS).page(tx, OWNER, conditions, by, after, limit))


def sorted_as_documented(rows: list[Row], order: str) -> list[Row]:
    """Null last; the id decides between equals, in the same direction."""
    name, down = order.removeprefix("-"), order.startswith("-")
    there = [row for row in rows if row[name] is not None]
    missing = [row for row in rows if row[name] is None]
    there.sort(key=lambda row: (row[name], row["id"]), reverse=down)
    missing.sort(key=lambda row: str(row["id"]), reverse=down)
    return there + missing


ORDERS = [
    sign + name
    for name in ("created_at", "name", "place", "weight", "bought_at", "enabled", "count", "id")
    for sign in ("", "-")
]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=filters(), order=st.sampled_from(ORDERS), limit=st.sampled_from([4, 25, 100]))
def test_a_list_shows_what_plain_python_would(
    db: Database, rows: list[Row], wanted: dict[str, Any], order: str, limit: int
) -> None:
    expected = sorted_as_documented(
        [
            row
            for row in rows
            if all(
                holds(row, name, *item) for name, given in wanted.items() for item in given.items()
            )
        ],
        order,
    )
    text = json.dumps(wanted)
    found: list[Row] = []
    cursor = None
    for _ in range(len(rows) + 1):
        more = page(db, text, order, limit, cursor)
        found += more
        if len(more) < limit:
            break
        cursor = cursor_after(more[-1], parse_order(GADGETS, order), "list")
    assert [row["id"] for row in found] == [row["id"] for row in expected]


def test_a_value_alone_means_equal(db: Database, rows: list[Row]) -> None:
    found = page(db, '{"enabled": true, "color": "red"}', "name", 100, None)
    assert len(found) == sum(row["enabled"] and row["color"] == "red" for row in rows)


def test_no_filter_and_an_empty_one_show_everything_of_the_owner(
    db: Database, rows: list[Row]
) -> None:
    assert len(page(db, None, "id", 100, None)) == len(page(db, "{}", "id", 100, None)) == len(rows)


# ---- what is rejected ----


parse = partial(parse_filter, GADGETS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "filter must be JSON"),
        ("name=x", "filter must be JSON"),
        ("[" * 4_000, "filter must be JSON"),
        ('{"name": "a", "name": "b"}', "filter must be JSON"),
        ("[]", "must be a JSON object"),
        ('"x"', "must be a JSON object"),
        (" " * (MAX_FILTER_BYTES + 1), "at most 4096 characters"),
        ('{"nope": 1}', "field 'nope' does not exist; there are id, "),
        ('{"password": "x"}', "field 'password' does not exist"),
        ('{"shape": {"$eq": 1}}', r"operator '\$eq' does not exist for shape; there are none"),
        ('{"name": {"$regex": "x"}}', r"operator '\$regex' does not exist for name"),
        ('{"name": {"contains": "x"}}', "operator 'contains' does not exist for name"),
        ('{"enabled": {"$gt": false}}', r"operator '\$gt' does not exist for enabled"),
        ('{"name": 5}', "name must be compared with a string"),
        ('{"name": "a\\u0000b"}', "name must be compared with a string without NUL"),
        ('{"name": "\\ud800"}', "name must be compared with a string of Unicode"),
        ('{"name": {"$contains": ["x"]}}', "name must be compared with a string"),
        ('{"name": {"$eq": {"$eq": "x"}}}', "name must be compared with a string"),
        ('{"name": null}', r"use .*\$null"),
        ('{"name": {"$null": 1}}', r"\$null of name must be true or false"),
        ('{"name": {"$in": "x"}}', r"\$in of name must be a list of 1 to 100"),
        ('{"name": {"$in": []}}', r"\$in of name must be a list of 1 to 100"),
        (json.dumps({"count": {"$in": [1] * 101}}), r"\$in of count must be a list of 1 to 100"),
        ('{"count": "5"}', "count must be compared with an integer"),
        ('{"count": true}', "count must be compared with an integer"),
        ('{"count": 2147483648}', "count must be compared with an integer between"),
        ('{"count": 1.0}', "count must be compared with an integer"),
        ('{"weight": NaN}', "weight must be compared with a number"),
        ('{"weight": 1e999}', "weight must be compared with a number"),
        ('{"weight": 1' + "0" * 4_000 + "}", "weight must be compared with a number"),
        ('{"enabled": 1}', "enabled must be compared with true or false"),
        ('{"color": "blue"}', "color must be compared with one of red, green"),
        ('{"bought_at": "2026-11-02"}', "bought_at must be compared with an RFC 3339 time"),
        ('{"bought_at": 5}', "bought_at must be compared with an RFC 3339 time"),
        (
            json.dumps({"notes": dict.fromkeys(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"], "x"),
                        "place": dict.fromkeys(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"], "x"),
                        "name": dict.fromkeys(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"], "x"),
                        "slug": dict.fromkeys(["$eq", "$ne", "$gt"], "x")}),
            "at most 20 conditions",
        ),
    ],
)  # fmt: skip
def test_a_filter_that_is_none_is_rejected_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        parse(text)


@settings(max_examples=300, deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["name", "count", "$eq", "$in", "$null", "$contains", "x", "shape"]), inner
    ),
    max_leaves=6,
))  # fmt: skip
def test_any_json_is_a_filter_or_is_rejected(value: Any) -> None:
    with suppress(InvalidInput):
        parse(json.dumps(value))


@pytest.mark.parametrize("order", ["", "-", "--name", "nope", "shape", "name,count", "password"])
def test_an_order_that_is_none_is_rejected(order: str) -> None:
    with pytest.raises(InvalidInput):
        parse_order(GADGETS, order)


def test_a_cursor_of_another_list_is_rejected() -> None:
    by = parse_order(GADGETS, "-weight")
    row = a_row(1)
    cursor = cursor_after(row, by, "list")
    assert read_cursor(cursor, by, "list") == (row["weight"], row["id"])
    for wrong, about in [(cursor, "another list"), (cursor[:-2], "list"), ("x", "list")]:
        with pytest.raises(InvalidInput):
            read_cursor(wrong, by, about)
    with pytest.raises(InvalidInput):
        read_cursor(cursor_after(row, parse_order(GADGETS, "name"), "list"), by, "list")
