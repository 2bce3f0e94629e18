"""Data of the domain events that `tasks` publishes, version 1."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from functions.tasks.schemas import PriorityName, SourceOut, Status


class _EventData(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TaskCreated(_EventData):
    """`task.created`: there is a new task."""

    task_id: str
    title: str
    description: str
    priority: PriorityName
    category: str
    status: Status
    created_by: str
    assignee: str | None
    due_at: datetime | None
    source: SourceOut | None
    created_at: datetime
    import_id: str | None = None
    """The import that it came with; `task.imported` tells of all of its tasks at once."""


class TasksImported(_EventData):
    """`task.imported`: a file was imported; one event, however many tasks it holds."""

    import_id: str
    imported_by: str
    created: int
    updated: int
    imported_at: datetime


class TaskUpdated(_EventData):
    """`task.updated`: fields of a task changed, and it was not completed by that."""

    task_id: str
    changed: list[str]
    updated_by: str
    version: int
    updated_at: datetime


class TaskCompleted(_EventData):
    """`task.completed`: it is done; `close_incident` asks to close the incident behind it."""

    task_id: str
    title: str
    completed_by: str
    completed_at: datetime
    seconds_open: int
    close_incident: bool
    source: SourceOut | None
    import_id: str | None = None


class TaskReopened(_EventData):
    """`task.reopened`: it was completed or cancelled, and is to be done again."""

    task_id: str
    title: str
    reopened_by: str
    reopened_at: datetime
    source: SourceOut | None


class TaskDeleted(_EventData):
    """`task.deleted`: it is gone."""

    task_id: str
    deleted_by: str
    deleted_at: datetime


class TaskDue(_EventData):
    """`task.due`: a reminder's time has come; `reminder` names it."""

    task_id: str
    title: str
    assignee: str | None
    due_at: datetime
    reminder: str
