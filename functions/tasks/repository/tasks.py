"""Rows of `tasks`, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, true, update

from functions.tasks.repository import task_history, task_terms
from functions.tasks.repository.tables import (
    comments,
    dependencies,
    tasks,
)
from hearth.db import insert_for

_t = tasks.c


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task as it is stored."""

    id: str
    version: int
    uid: str
    title: str
    description: str
    status: str
    priority: str
    category: str
    tags: tuple[str, ...]
    created_by: str
    assignee: str | None
    due_at: datetime | None
    estimated_hours: float | None
    actual_hours: float | None
    progress: int
    parent_id: str | None
    reminders: tuple[int, ...]
    repeat_rule: str | None
    repeat_start: datetime | None
    occurrence: int
    next_id: str | None
    source_report_id: str | None
    source_incident_id: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    completed_by: str | None
    seconds_open: int | None


COLUMNS = [_t[field.name] for field in fields(TaskRow)]


def row_of(row: Row[Any]) -> TaskRow:
    """Return the task of a row."""
    values = dict(row._mapping)
    values["reminders"] = tuple(values["reminders"])
    return TaskRow(**values)


def stored(task: TaskRow) -> dict[str, Any]:
    """Return the columns of a task."""
    text = "\n".join((task.title, task.description, task.category, *task.tags))
    values = {field.name: getattr(task, field.name) for field in fields(TaskRow)}
    return values | {"reminders": list(task.reminders), "search": text.casefold()}


def visible(viewer: str | None) -> ColumnElement[bool]:
    """Whether `viewer` may see a task."""
    if viewer is None:
        return true()
    return or_(_t.created_by == viewer, _t.assignee == viewer)


def max_rows(title: str, description: str, *, new: bool) -> int:
    """Upper bound of the rows written to create a task with these texts, or to change one so."""
    words = min(task_terms.MAX_WORDS, len(title.split()) + len(description.split()) + _SHORT)
    # An old task has words that go, or an occurrence after it.
    return _BESIDE + 2 * words + (0 if new else task_terms.MAX_WORDS + _SHORT)


_SHORT: Final = 20
"""Words of a category and of tags, and the tags."""
_BESIDE: Final = 20
"""The task, its history, events for each subscriber, reminders."""


def insert(tx: Connection, task: TaskRow, by: str, now: datetime) -> bool:
    """Add a task and its first history entry; False when the id is taken."""
    added = tx.execute(
        insert_for(tx.dialect.name)(tasks)
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(_t.id),
        stored(task),
    ).scalar_one_or_none()
    if added is None:
        return False
    # A deleted task that is imported again has the id, and so the history, that it had.
    task_history.delete_all(tx, task.id)
    task_terms.insert(tx, task)
    task_history.record(tx, task.id, task.version, by, now, [])
    return True


def get(tx: Connection, task_id: str, viewer: str | None) -> TaskRow | None:
    """One task; None when there is none that `viewer` may see."""
    found = tx.execute(select(*COLUMNS).where(_t.id == task_id, visible(viewer))).one_or_none()
    return None if found is None else row_of(found)


def get_many(tx: Connection, ids: Sequence[str], viewer: str | None) -> list[TaskRow]:
    """Those of `ids` that there are and `viewer` may see, by id."""
    if not ids:
        return []
    query = select(*COLUMNS).where(_t.id.in_(ids), visible(viewer)).order_by(_t.id)
    return [row_of(row) for row in tx.execute(query)]


def get_by_uid(tx: Connection, uid: str, owner: str) -> TaskRow | None:
    """Return the oldest task that `owner` created with this iCalendar UID.

    A UID belongs to a person: with another's task, which may only be assigned to `owner`, their
    entry would be shown to that other person. Except a UID that Hearth gave, which comes from an
    export of the very task.
    """
    given_here = and_(_t.id == uid.removesuffix("@hearth"), _t.assignee == owner)
    query = (
        select(*COLUMNS)
        .where(_t.uid == uid, or_(_t.created_by == owner, given_here))
        .order_by(_t.id)
        .limit(1)
    )
    found = tx.execute(query).one_or_none()
    return None if found is None else row_of(found)


def replace(tx: Connection, before: TaskRow, after: TaskRow) -> bool:
    """Store the next version; False when `before` is no longer what is stored."""
    changed = tx.execute(
        update(tasks).where(_t.id == before.id, _t.version == before.version).values(stored(after))
    ).rowcount
    if changed != 1:
        return False
    task_terms.update(tx, before, after)
    return True


def remove(tx: Connection, task: TaskRow) -> bool:
    """Delete a task and all that is about it; False when `task` is no longer what is stored."""
    gone = tx.execute(delete(tasks).where(_t.id == task.id, _t.version == task.version)).rowcount
    if gone != 1:
        return False
    task_terms.delete(tx, task)
    tx.execute(delete(comments).where(comments.c.task_id == task.id))
    task_history.delete_all(tx, task.id)
    tx.execute(
        delete(dependencies).where(
            or_(dependencies.c.task_id == task.id, dependencies.c.needs_id == task.id)
        )
    )
    return True


def subtasks(tx: Connection, task_id: str, viewer: str | None, limit: int) -> list[TaskRow]:
    """The subtasks of a task, oldest first."""
    query = (
        select(*COLUMNS)
        .where(_t.parent_id == task_id, visible(viewer))
        .order_by(_t.created_at, _t.id)
        .limit(limit)
    )
    return [row_of(row) for row in tx.execute(query)]


def count_subtasks(tx: Connection, task_id: str) -> int:
    """How many subtasks a task has, visible or not."""
    query = select(func.count()).select_from(tasks).where(_t.parent_id == task_id)
    return int(tx.execute(query).scalar_one())


def parent_of(tx: Connection, task_id: str) -> str | None:
    """The task that a task is a subtask of."""
    return tx.execute(select(_t.parent_id).where(_t.id == task_id)).scalar_one_or_none()
