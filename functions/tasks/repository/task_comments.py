"""Rows of `task_comments`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy import delete as sql_delete

from functions.tasks.repository.tables import comments

_c = comments.c


@dataclass(frozen=True, slots=True)
class CommentRow:
    """One comment as it is stored."""

    id: str
    task_id: str
    author: str
    text: str
    created_at: datetime


def insert(tx: Connection, comment: CommentRow) -> None:
    """Store a comment."""
    tx.execute(comments.insert(), asdict(comment))


def count(tx: Connection, task_id: str) -> int:
    """How many comments a task has."""
    query = select(func.count()).select_from(comments).where(_c.task_id == task_id)
    return int(tx.execute(query).scalar_one())


def list_after(tx: Connection, task_id: str, after: str | None, limit: int) -> list[CommentRow]:
    """Comments on a task, oldest first, those after the id `after`."""
    query = select(comments).where(_c.task_id == task_id).order_by(_c.id).limit(limit)
    if after is not None:
        query = query.where(_c.id > after)
    return [CommentRow(*row) for row in tx.execute(query)]


def get(tx: Connection, task_id: str, comment_id: str) -> CommentRow | None:
    """One comment on a task."""
    query = select(comments).where(_c.task_id == task_id, _c.id == comment_id)
    found = tx.execute(query).one_or_none()
    return None if found is None else CommentRow(*found)


def delete(tx: Connection, comment_id: str) -> None:
    """Delete a comment."""
    tx.execute(sql_delete(comments).where(_c.id == comment_id))
