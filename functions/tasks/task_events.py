"""The domain events of tasks, each made from the task as it is after the change."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from functions.tasks.event_schemas import (
    TaskCompleted,
    TaskCreated,
    TaskDeleted,
    TaskDue,
    TaskReopened,
    TasksImported,
    TaskUpdated,
)
from functions.tasks.task import source_of
from hearth.ids import format_time
from hearth.ledger.events import Event

if TYPE_CHECKING:
    from pydantic import BaseModel

    from functions.tasks.repository.tasks import TaskRow


def task_created(task: TaskRow, now: datetime, import_id: str | None = None) -> Event:
    data = TaskCreated(
        task_id=task.id,
        title=task.title,
        description=task.description,
        priority=task.priority,
        category=task.category,
        status=task.status,
        created_by=task.created_by,
        assignee=task.assignee,
        due_at=task.due_at,
        source=source_of(task),
        created_at=task.created_at,
        import_id=import_id,
    )
    return _event("task.created", task, now, data)


def tasks_imported(
    import_id: str, actor_id: str, created: int, updated: int, now: datetime
) -> Event:
    data = TasksImported(
        import_id=import_id,
        imported_by=actor_id,
        created=created,
        updated=updated,
        imported_at=now,
    )
    return Event("task.imported", import_id, now, import_id, data.model_dump(mode="json"))


def task_updated(task: TaskRow, actor_id: str, fields: list[str], now: datetime) -> Event:
    data = TaskUpdated(
        task_id=task.id,
        changed=fields,
        updated_by=actor_id,
        version=task.version,
        updated_at=now,
    )
    return _event("task.updated", task, now, data)


def task_completed(
    task: TaskRow,
    actor_id: str,
    close_incident: bool | None,
    now: datetime,
    import_id: str | None = None,
) -> Event:
    """Without a wish of the caller, completing a corrective task closes its incident."""
    source = source_of(task)
    data = TaskCompleted(
        task_id=task.id,
        title=task.title,
        completed_by=actor_id,
        completed_at=now,
        seconds_open=task.seconds_open or 0,
        close_incident=source is not None and close_incident is not False,
        source=source,
        import_id=import_id,
    )
    return _event("task.completed", task, now, data)


def task_reopened(task: TaskRow, actor_id: str, now: datetime) -> Event:
    data = TaskReopened(
        task_id=task.id,
        title=task.title,
        reopened_by=actor_id,
        reopened_at=now,
        source=source_of(task),
    )
    return _event("task.reopened", task, now, data)


def task_deleted(task: TaskRow, actor_id: str, now: datetime) -> Event:
    data = TaskDeleted(task_id=task.id, deleted_by=actor_id, deleted_at=now)
    return _event("task.deleted", task, now, data)


def task_due(task: TaskRow, due_at: datetime, reminder: str, now: datetime) -> Event:
    data = TaskDue(
        task_id=task.id, title=task.title, assignee=task.assignee, due_at=due_at, reminder=reminder
    )
    return Event("task.due", reminder, now, task.id, data.model_dump(mode="json"))


def _event(event_type: str, task: TaskRow, now: datetime, data: BaseModel) -> Event:
    # A deleted task may be imported again with its id: the time of creation tells them apart.
    event_id = f"{task.id}:{format_time(task.created_at)}:{task.version}"
    return Event(event_type, event_id, now, task.id, data.model_dump(mode="json"))
