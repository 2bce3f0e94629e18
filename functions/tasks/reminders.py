"""Reminders of due dates: one delayed job each, named by task, due date and lead time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from functions.tasks.task import is_open
from hearth.ids import format_time
from hearth.ledger.ledger import NewJob

if TYPE_CHECKING:
    from functions.tasks.repository.tasks import TaskRow

QUEUE: Final = "tasks"
REMIND: Final = "tasks.remind"


def reminder_name(task_id: str, due_at: datetime, minutes: int) -> str:
    """Name of the reminder that many minutes before a due date."""
    return f"{task_id}:{format_time(due_at)}:{minutes}"


def reminder_keys(task: TaskRow) -> list[str]:
    """Dedupe keys of a task's reminder jobs."""
    if task.due_at is None:
        return []
    return [f"remind:{reminder_name(task.id, task.due_at, m)}" for m in task.reminders]


def reminder_jobs(task: TaskRow, now: datetime) -> list[NewJob]:
    """The jobs of an open task that is not overdue; a reminder whose time has passed runs now."""
    if task.due_at is None or task.due_at <= now or not is_open(task):
        return []
    return [
        NewJob(
            kind=REMIND,
            queue=QUEUE,
            dedupe_key=f"remind:{reminder_name(task.id, task.due_at, minutes)}",
            payload={
                "task_id": task.id,
                "due_at": format_time(task.due_at),
                "minutes": minutes,
            },
            available_at=max(now, task.due_at - timedelta(minutes=minutes)),
        )
        for minutes in task.reminders
    ]
