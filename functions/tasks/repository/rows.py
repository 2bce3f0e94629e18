"""Tasks one by one, and the history of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, delete, func, or_, select, true, update

from functions.tasks.repository import terms
from functions.tasks.repository.tables import (
    comments,
    dependencies,
    history,
    reports,
    tasks,
)
from hearth.db import insert_for
from hearth.ledger.table import JobState, jobs_table

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
    """The task that a row of the table is."""
    values = dict(row._mapping)
    values["reminders"] = tuple(values["reminders"])
    return TaskRow(**values)


def stored(task: TaskRow) -> dict[str, Any]:
    """The columns of a task."""
    text = "\n".join((task.title, task.description, task.category, *task.tags))
    values = {field.name: getattr(task, field.name) for field in fields(TaskRow)}
    return values | {"reminders": list(task.reminders), "search": text.casefold()}


def visible(viewer: str | None) -> ColumnElement[bool]:
    """Whether `viewer` may see a task."""
    if viewer is None:
        return true()
    return or_(_t.created_by == viewer, _t.assignee == viewer)


def most_rows(title: str, description: str, *, new: bool) -> int:
    """How many rows it takes at most to make a task with these texts, or to change one into it."""
    words = min(terms.MOST_WORDS, len(title.split()) + len(description.split()) + _SHORT)
    # An old task has words that go, or an occurrence after it.
    return _BESIDE + 2 * words + (0 if new else terms.MOST_WORDS + _SHORT)


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
    # A task that was deleted and is imported again has the id, and so the history, that it had.
    tx.execute(delete(history).where(history.c.task_id == task.id))
    terms.add(tx, task)
    record(tx, task.id, task.version, by, now, [])
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


def by_uid(tx: Connection, uid: str, viewer: str) -> TaskRow | None:
    """The task with a calendar's UID that `viewer` created or has to do; the oldest of several."""
    query = select(*COLUMNS).where(_t.uid == uid, visible(viewer)).order_by(_t.id).limit(1)
    found = tx.execute(query).one_or_none()
    return None if found is None else row_of(found)


def replace(tx: Connection, before: TaskRow, after: TaskRow) -> bool:
    """Store the next version; False when `before` is no longer what is stored."""
    changed = tx.execute(
        update(tasks).where(_t.id == before.id, _t.version == before.version).values(stored(after))
    ).rowcount
    if changed != 1:
        return False
    terms.change(tx, before, after)
    return True


def remove(tx: Connection, task: TaskRow) -> bool:
    """Delete a task and all that is about it; False when `task` is no longer what is stored."""
    gone = tx.execute(delete(tasks).where(_t.id == task.id, _t.version == task.version)).rowcount
    if gone != 1:
        return False
    terms.remove(tx, task)
    tx.execute(delete(comments).where(comments.c.task_id == task.id))
    tx.execute(delete(history).where(history.c.task_id == task.id))
    tx.execute(
        delete(dependencies).where(
            or_(dependencies.c.task_id == task.id, dependencies.c.needs_id == task.id)
        )
    )
    return True


def subtasks(tx: Connection, task_id: str, viewer: str | None, limit: int) -> list[TaskRow]:
    """The parts of a task, oldest first."""
    query = (
        select(*COLUMNS)
        .where(_t.parent_id == task_id, visible(viewer))
        .order_by(_t.created_at, _t.id)
        .limit(limit)
    )
    return [row_of(row) for row in tx.execute(query)]


def count_subtasks(tx: Connection, task_id: str) -> int:
    """How many parts a task has, whoever may see them."""
    query = select(func.count()).select_from(tasks).where(_t.parent_id == task_id)
    return int(tx.execute(query).scalar_one())


# ---- history ----


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What made one version of a task."""

    version: int
    changed_by: str
    changed_at: datetime
    changes: list[dict[str, Any]]


def record(
    tx: Connection,
    task_id: str,
    version: int,
    changed_by: str,
    changed_at: datetime,
    changes: Sequence[Mapping[str, Any]],
) -> None:
    """Keep what made a version (`field`, `old`, `new`)."""
    row = HistoryRow(version, changed_by, changed_at, [dict(change) for change in changes])
    tx.execute(history.insert(), asdict(row) | {"task_id": task_id})


def list_history(tx: Connection, task_id: str, before: int | None, limit: int) -> list[HistoryRow]:
    """Versions of a task, the latest first, from below `before`."""
    h = history.c
    query = (
        select(h.version, h.changed_by, h.changed_at, h.changes)
        .where(h.task_id == task_id)
        .order_by(h.version.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(h.version < before)
    return [HistoryRow(*row) for row in tx.execute(query)]


# ---- what a task came from, and what waits for its time ----


def claim_report(tx: Connection, report_id: str, task_id: str, now: datetime) -> bool:
    """Whether this report has had no task so far; from now on it has."""
    claimed = tx.execute(
        insert_for(tx.dialect.name)(reports)
        .on_conflict_do_nothing(index_elements=["report_id"])
        .returning(reports.c.report_id),
        {"report_id": report_id, "task_id": task_id, "created_at": now},
    )
    return claimed.scalar_one_or_none() is not None


def cancel_jobs(tx: Connection, dedupe_keys: Sequence[str]) -> None:
    """Take back those jobs that nobody has begun; a hint of one finds nothing."""
    if dedupe_keys:
        tx.execute(
            delete(jobs_table).where(
                jobs_table.c.dedupe_key.in_(dedupe_keys), jobs_table.c.state == JobState.QUEUED
            )
        )
