"""Which rows a list shows, in which order, and where its next page begins.

A filter is a JSON object: field → value (equal), or field → operator → value. All must hold.

    {"enabled": true, "name": {"$contains": "door"}, "created_at": {"$gte": "2026-11-01T00:00:00Z"}}

`$eq $ne` a value · `$gt $gte $lt $lte` a number, a text or a time · `$in $nin` up to 100 values ·
`$contains` a part of a text, case-sensitive · `$null` true or false. As in Python and unlike SQL,
null is a value that is not equal to any other: `$ne` and `$nin` find it. Texts compare by code
point on both engines.

JSON and not `name[$contains]=x`: a value keeps its type, a list is a list, and one parameter has
one bound. PostgREST's and Django's suffixes were rejected for the same reason.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, func, literal, or_, true
from sqlalchemy.sql.operators import OperatorType, ge, gt, le, lt

from hearth.errors import InvalidInput
from hearth.ids import format_time
from hearth.paging import decode_cursor, encode_cursor
from hearth.resource.declaration import Field, Resource, Text

MAX_FILTER_BYTES: Final = 4_096
MAX_CONDITIONS: Final = 20
MAX_VALUES: Final = 100
DEFAULT_ORDER: Final = "-created_at"
_COMPARISONS: Final[dict[str, OperatorType]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


class Condition(NamedTuple):
    """One thing that must hold of a row."""

    field: Field
    operator: str
    value: Any


def parse_filter(resource: Resource, text: str | None) -> tuple[Condition, ...]:
    """The conditions of a filter; none for None.

    Raises:
        InvalidInput: Not such a filter; the message says where.
    """
    if text is None:
        return ()
    if len(text) > MAX_FILTER_BYTES:
        raise InvalidInput(f"filter must have at most {MAX_FILTER_BYTES} characters")
    try:
        given = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise InvalidInput('filter must be JSON, such as {"name": {"$contains": "x"}}') from None
    if not isinstance(given, Mapping):
        raise InvalidInput("filter must be a JSON object")
    conditions = []
    for name, wanted in given.items():
        field = resource.field(name)
        operators = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
        conditions += [_condition(field, *item) for item in operators.items()]
    if len(conditions) > MAX_CONDITIONS:
        raise InvalidInput(f"filter must have at most {MAX_CONDITIONS} conditions")
    return tuple(conditions)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _condition(field: Field, operator: str, value: Any) -> Condition:
    if operator not in field.operators:
        known = ", ".join(sorted(field.operators)) or "none"
        raise InvalidInput(
            f"operator {operator[:40]!r} does not exist for {field.name}; there are {known}"
        )
    if operator == "$null":
        if not isinstance(value, bool):
            raise InvalidInput(f"$null of {field.name} must be true or false")
        return Condition(field, operator, value)
    if value is None:
        raise InvalidInput(f'{field.name} must be compared with a value; use {{"$null": true}}')
    if operator in ("$in", "$nin"):
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
            raise InvalidInput(f"{operator} of {field.name} must be a list of 1 to {MAX_VALUES}")
        return Condition(field, operator, [field.parse(item) for item in value])
    return Condition(field, operator, field.parse(value))


def where(conditions: Sequence[Condition], table: Table, dialect: str) -> ColumnElement[bool]:
    """The conditions as SQL of a dialect (`tx.dialect.name`)."""
    return and_(true(), *(_as_sql(one, table, dialect) for one in conditions))


def _as_sql(condition: Condition, table: Table, dialect: str) -> ColumnElement[bool]:
    field, operator, value = condition
    column: ColumnElement[Any] = table.c[field.name]
    match operator:
        case "$null":
            return column.is_(None) if value else column.is_not(None)
        case "$eq":
            return and_(column == value)
        case "$ne":
            return or_(column != value, column.is_(None))
        case "$in":
            return column.in_(value)
        case "$nin":
            return or_(column.not_in(value), column.is_(None))
        case "$contains":
            position: Any = func.instr if dialect == "sqlite" else func.strpos
            found: ColumnElement[bool] = position(column, value) > 0
            return found
        case _:
            return comparable(field, table, dialect).operate(_COMPARISONS[operator], value)


def comparable(field: Field, table: Table, dialect: str) -> ColumnElement[Any]:
    """A column that compares and sorts alike on every engine: texts by code point."""
    column: ColumnElement[Any] = table.c[field.name]
    # SQLite compares bytes by itself; PostgreSQL would go by the language of the database.
    return column.collate("C") if isinstance(field, Text) and dialect != "sqlite" else column


@dataclass(frozen=True, slots=True)
class Order:
    """By which field a list is sorted; null comes last, and the id decides between equals."""

    field: Field
    descending: bool

    def by(self, table: Table, dialect: str) -> list[ColumnElement[Any]]:
        """The ORDER BY."""
        column = comparable(self.field, table, dialect)
        keys: Sequence[ColumnElement[Any]] = [column, table.c.id]
        nulls = [table.c[self.field.name].is_(None)] if self.field.nullable else []
        return [*nulls, *(key.desc() if self.descending else key.asc() for key in keys)]

    def after(self, value: Any, row_id: str, table: Table, dialect: str) -> ColumnElement[bool]:
        """The rows behind the one with this value and id."""
        beyond: Callable[[Any, Any], Any] = lt if self.descending else gt
        column = comparable(self.field, table, dialect)
        if value is None:
            return and_(column.is_(None), beyond(table.c.id, row_id))
        # As a parameter: SQLAlchemy has no < for True and False.
        last = literal(value, table.c[self.field.name].type)
        behind = or_(beyond(column, last), and_(column == last, beyond(table.c.id, row_id)))
        return or_(behind, column.is_(None)) if self.field.nullable else behind


def parse_order(resource: Resource, text: str) -> Order:
    """The order that `created_at` (ascending) or `-created_at` (descending) names.

    Raises:
        InvalidInput: There is no such field, or it cannot be sorted by.
    """
    field = resource.field(text.removeprefix("-"))
    if not field.sortable:
        raise InvalidInput(f"order must not be by {field.name}")
    return Order(field, text.startswith("-"))


def cursor_after(row: Mapping[str, Any], order: Order, about: str) -> str:
    """Where the page behind `row` begins; `about` tells one list from another."""
    value = row[order.field.name]
    plain = format_time(value) if isinstance(value, datetime) else value
    return encode_cursor(about, json.dumps(plain), row["id"])


def read_cursor(cursor: str, order: Order, about: str) -> tuple[Any, str]:
    """The value and the id behind which the page begins.

    Raises:
        InvalidInput: The cursor is of another list, filter or order.
    """
    of, plain, row_id = decode_cursor(cursor, 3)
    try:
        value = json.loads(plain)
        if of != about:
            raise ValueError
        return None if value is None else order.field.parse(value), row_id
    except (ValueError, RecursionError, InvalidInput):
        raise InvalidInput(
            "cursor must be one that this list gave out, with the same filter and order"
        ) from None


def fingerprint(resource: Resource, filter_text: str | None, order: str) -> str:
    """What tells this list from another in a cursor."""
    named = json.dumps([resource.table, filter_text or "", order])
    return hashlib.sha256(named.encode()).hexdigest()[:12]
