"""The tables of `tasks`, and what all their queries share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

from hearth.db import JsonText, UtcDateTime
from hearth.ids import format_time, parse_time

metadata = MetaData()
NEVER: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
"""Stored for "no due date": NULL comes first on SQLite and last on PostgreSQL."""
PRIORITIES: Final = ("low", "medium", "high", "urgent")


class DueTime(TypeDecorator[datetime]):
    """A UTC time as text; None is a time that never comes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str:
        return format_time(NEVER if value is None else value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None or value == format_time(NEVER) else parse_time(value)


class Priority(TypeDecorator[str]):
    """A priority's name as its weight, 1 (low) to 4 (urgent): text would sort by the alphabet."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:
        return None if value is None else PRIORITIES.index(value) + 1

    def process_result_value(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else PRIORITIES[value - 1]


class Tags(TypeDecorator[tuple[str, ...]]):
    """Tags between bars, `|garden|roof|`: one pattern finds one of them, whole."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str:
        return f"|{'|'.join(value)}|" if value else ""

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        return tuple(value.strip("|").split("|")) if value else ()


_FILTERS = ("id", "created_by", "assignee", "status", "priority", "category")

tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("uid", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("priority", Priority, nullable=False),
    Column("category", Text, nullable=False),
    Column("tags", Tags, nullable=False),
    Column("search", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("assignee", Text),
    Column("due_at", DueTime, nullable=False),
    Column("estimated_hours", Float),
    Column("actual_hours", Float),
    Column("progress", Integer, nullable=False),
    Column("parent_id", Text),
    Column("reminders", JsonText, nullable=False),
    Column("repeat_rule", Text),
    Column("repeat_start", UtcDateTime),
    Column("occurrence", Integer, nullable=False),
    Column("next_id", Text),
    Column("source_report_id", Text),
    Column("source_incident_id", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("completed_by", Text),
    Column("seconds_open", Integer),
    Index("ix_tasks_created_at", "created_at", *_FILTERS, "due_at"),
    Index("ix_tasks_updated_at", "updated_at", *_FILTERS, "due_at"),
    Index("ix_tasks_due_at", "due_at", *_FILTERS),
    Index(
        "ix_tasks_priority",
        *("priority", "id", "created_by", "assignee", "status", "category", "due_at"),
    ),
    Index(
        "ix_tasks_stats",
        *("status", "priority", "created_by", "assignee", "due_at", "seconds_open"),
    ),
    Index("ix_tasks_parent_id", "parent_id"),
    Index("ix_tasks_uid", "uid"),
)
"""One row a task. `search` is what a text search looks through; `repeat_start` is where the repeat
rule counts from; `next_id` is the occurrence that completing this one made."""

task_words = Table(
    "task_words",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("word", Text, nullable=False),
)
"""Every word that a task has or had, in lower case."""

task_terms = Table(
    "task_terms",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("task_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)
"""Which tasks have which words and tags; `task_terms.py` says how."""

dependencies = Table(
    "task_dependencies",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("needs_id", Text, primary_key=True),
    Index("ix_task_dependencies_needs_id", "needs_id"),
)
"""`task_id` waits for `needs_id`."""

locks = Table(
    "task_locks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("taken", Integer, nullable=False),
)

comments = Table(
    "task_comments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("task_id", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_task_comments_task_id_id", "task_id", "id"),
)

history = Table(
    "task_history",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changes", JsonText, nullable=False),
)
"""What made each version; the first has no changes."""

reports = Table(
    "task_reports",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("task_id", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
"""Which reports have had their task. A row outlives its task, so that none is made twice."""
