"""Finding tasks: lists, counts and statistics, quick with 100,000 of them.

A list walks the index of its sort key; that holds every column that may be filtered by, so rows are
dropped without being read, and the walk ends when the page is full. A count walks one such index.
Words and tags have an index of their own (`task_terms`). Where one of them is rare, its tasks are
looked at, and sorted and counted. Where all are common, a walk as above soon fills the page; then
the count is no more than what it is at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
)

from functions.tasks.repository import task_terms
from functions.tasks.repository.tables import NEVER, PRIORITIES, tasks
from functions.tasks.repository.tasks import COLUMNS, TaskRow, row_of, visible

Sort = Literal["created_at", "updated_at", "due_date", "priority"]
OPEN = ("pending", "in_progress", "blocked")
_t = tasks.c
_KEYS: dict[str, Column[Any]] = {
    "created_at": _t.created_at,
    "updated_at": _t.updated_at,
    "due_date": _t.due_at,
    "priority": _t.priority,
}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which tasks; None leaves a filter out. Times: `due_after` inclusive, `due_before` not."""

    viewer: str | None
    status: Sequence[str] = ()
    priority: Sequence[str] = ()
    category: str | None = None
    assignee: str | None = None
    due_before: datetime | None = None
    due_after: datetime | None = None
    overdue_at: datetime | None = None
    tags: Sequence[str] = ()
    words: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A task's place in a list."""

    key: Any
    id: str


@dataclass(frozen=True, slots=True)
class Found:
    """One page of tasks. `total` is how many there are on all pages; at least, unless `exact`."""

    tasks: list[TaskRow]
    total: int
    exact: bool


def find(
    tx: Connection,
    filters: Filters,
    sort: Sort,
    descending: bool,
    limit: int,
    *,
    after: Place | None = None,
    skip: int = 0,
) -> Found:
    """The tasks of one page, and how many there are on all pages.

    Args:
        tx: Transaction.
        filters: Which.
        sort: By what; those with the same value by id.
        descending: The highest first.
        limit: At most this many.
        after: Begin behind this place.
        skip: Pass by this many first.
    """
    if not (filters.words or filters.tags):
        ids, total = _walk(tx, filters, sort, descending, limit, after, skip, true())
        exact = True
    else:
        some = task_terms.candidates(tx, filters.words, filters.tags)
        among = _t.id.in_(some.ids)
        look = _sort if some.all else _walk
        ids, total = look(tx, filters, sort, descending, limit, after, skip, among)
        exact = some.all
        if not exact:
            total = max(total, skip + len(ids))
    rows_by_id = {row.id: row_of(row) for row in tx.execute(select(*COLUMNS).where(_t.id.in_(ids)))}
    found = [rows_by_id[task_id] for task_id in ids if task_id in rows_by_id]
    return Found(found, total, exact)


def _walk(
    tx: Connection,
    filters: Filters,
    sort: Sort,
    descending: bool,
    limit: int,
    after: Place | None,
    skip: int,
    counted: ColumnElement[bool],
) -> tuple[list[str], int]:
    """The page's ids, along the index of the sort key; the count is of those that are `counted`."""
    key = _KEYS[sort]
    page = _paged(select(_t.id).where(*_conditions(filters, key)), key, _t.id, descending)
    page = _from(page, key, _t.id, descending, after).limit(limit).offset(skip)
    count = select(func.count()).select_from(tasks).where(counted, *_conditions(filters, None))
    return list(tx.execute(page).scalars()), int(tx.execute(count).scalar_one())


def _sort(
    tx: Connection,
    filters: Filters,
    sort: Sort,
    descending: bool,
    limit: int,
    after: Place | None,
    skip: int,
    among: ColumnElement[bool],
) -> tuple[list[str], int]:
    """The page's ids among a few tasks, which are looked at once for the page and the count."""
    found = (
        select(_KEYS[sort].label("key"), _t.id.label("id"))
        .where(among, *_conditions(filters, None))
        .cte("found")
        .prefix_with("MATERIALIZED")
    )
    counted = select(func.count()).select_from(found).scalar_subquery()
    page = _paged(select(found.c.id, counted), found.c.key, found.c.id, descending)
    page = _from(page, found.c.key, found.c.id, descending, after)
    rows = tx.execute(page.limit(limit).offset(skip)).all()
    total = rows[0][1] if rows else tx.execute(select(counted)).scalar_one()
    return [row[0] for row in rows], int(total)


def place_of(task: TaskRow, sort: Sort) -> Place:
    """Where a task is in a list that is sorted so."""
    return Place(getattr(task, _KEYS[sort].name), task.id)


def _paged(query: Select[Any], key: Any, task_id: Any, descending: bool) -> Select[Any]:
    if descending:
        return query.order_by(key.desc(), task_id.desc())
    return query.order_by(key, task_id)


def _from(
    query: Select[Any], key: Any, task_id: Any, descending: bool, after: Place | None
) -> Select[Any]:
    if after is None:
        return query
    value = literal(after.key, key.type)
    # The first condition is implied by the second, but an index can begin where it says.
    if descending:
        beyond = or_(key < value, and_(key == value, task_id < after.id))
        return query.where(key <= value, beyond)
    beyond = or_(key > value, and_(key == value, task_id > after.id))
    return query.where(key >= value, beyond)


def _conditions(filters: Filters, walked: Column[Any] | None) -> list[ColumnElement[bool]]:
    """The filters; those on other columns than the one that is `walked` invite no other index."""

    def plain(column: Column[Any]) -> Any:
        if walked is None or column is walked:
            return column
        # For a rare value another index would do better, but SQLite does not know what is rare:
        # it would sort half of the table. An expression is looked up in no index.
        return column.concat(literal("", String))

    wanted: list[ColumnElement[bool]] = []
    if filters.viewer is not None:
        wanted.append(visible(filters.viewer))
    if filters.status:
        wanted.append(plain(_t.status).in_(filters.status))
    if filters.priority:
        weight = type_coerce(_t.priority, Integer)
        weights = [PRIORITIES.index(name) + 1 for name in filters.priority]
        wanted.append(
            (weight if walked is None or walked is _t.priority else weight + 0).in_(weights)
        )
    if filters.category is not None:
        wanted.append(plain(_t.category) == filters.category)
    if filters.assignee is not None:
        wanted.append(_t.assignee == filters.assignee)
    due = _t.due_at
    if filters.due_before is not None:
        wanted.append(due < filters.due_before)
    if filters.due_after is not None:
        wanted += [due >= filters.due_after, due < NEVER]
    if filters.overdue_at is not None:
        wanted += [due < filters.overdue_at, plain(_t.status).in_(OPEN)]
    wanted += [_t.tags.cast(String).contains(f"|{tag}|", autoescape=True) for tag in filters.tags]
    wanted += [_t.search.contains(word, autoescape=True) for word in filters.words]
    return wanted


# ---- statistics ----


@dataclass(frozen=True, slots=True)
class Tally:
    """Tasks of one status and priority."""

    status: str
    priority: str
    number: int
    overdue: int
    timed: int
    seconds_open: int


def tally(tx: Connection, viewer: str | None, now: datetime) -> list[Tally]:
    """How many there are of each status and priority, and how long the completed ones were open."""
    late = case((and_(_t.due_at < now, _t.status.in_(OPEN)), 1), else_=0)
    query = (
        select(
            _t.status,
            _t.priority,
            func.count(),
            func.sum(late),
            func.count(_t.seconds_open),
            func.coalesce(func.sum(_t.seconds_open), 0),
        )
        .where(visible(viewer))
        .group_by(_t.status, _t.priority)
        .order_by(_t.status, _t.priority)
    )
    return [
        Tally(status, priority, number, int(overdue), timed, int(seconds))
        for status, priority, number, overdue, timed, seconds in tx.execute(query)
    ]
