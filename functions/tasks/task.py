"""The rules of a task: new ones, changed ones, the next occurrence. Pure: nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

from functions.tasks.recurrence import canonical, check_rule, next_due
from functions.tasks.repository.tasks import TaskRow
from functions.tasks.schemas import CLOSED, SourceOut, TaskIn, TaskOut
from hearth.errors import InvalidInput
from hearth.ids import format_time, new_ulid

_COLUMN_OF: Final = {"due_date": "due_at"}
_TRACKED: Final = (
    *("title", "description", "status", "priority", "category", "tags", "assignee", "due_at"),
    *("estimated_hours", "actual_hours", "progress", "parent_id", "reminders", "repeat_rule"),
    *("next_id", "completed_at", "completed_by"),
)
"""The fields whose changes the history keeps."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and whether they manage the tasks of all users."""

    id: str
    manages: bool = False

    @property
    def viewer(self) -> str | None:
        """The user whose tasks are visible; None: all are."""
        return None if self.manages else self.id


def due_at(value: datetime | date | None, zone: ZoneInfo) -> datetime | None:
    """The time of a due date; a date means the last second of that day at the site.

    Raises:
        InvalidInput: The date is out of range.
    """
    if value is None or isinstance(value, datetime):
        return value
    try:
        return datetime.combine(value, time(23, 59, 59), zone).astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput(f"due_date: {value} lies outside what can be stored") from error


def new_task(
    new: TaskIn,
    by: str,
    now: datetime,
    zone: ZoneInfo,
    *,
    task_id: str | None = None,
    uid: str | None = None,
    source: tuple[str, str] | None = None,
) -> TaskRow:
    """Return the first version of a task.

    Args:
        by: Id of its creator.
        zone: The site's time zone.
        task_id: Its id, where that is derived from something.
        uid: Its UID in calendars, where it was imported from one.
        source: Ids of the report and the incident behind a corrective task.

    Raises:
        InvalidInput: The repeat rule is not valid, or has no due date to start from.
    """
    task_id = task_id or new_ulid()
    due = due_at(new.due_date, zone)
    task = TaskRow(
        id=task_id,
        version=1,
        uid=uid or f"{task_id}@hearth",
        title=new.title.strip(),
        description=_normalize_line_ends(new.description),
        status=new.status,
        priority=new.priority,
        category=new.category.strip(),
        tags=_unique(new.tags),
        created_by=by,
        assignee=new.assignee,
        due_at=due,
        estimated_hours=new.estimated_hours,
        actual_hours=new.actual_hours,
        progress=new.progress,
        parent_id=new.parent_id,
        reminders=tuple(sorted(set(new.reminders))),
        repeat_rule=canonical(new.repeat_rule) if new.repeat_rule else None,
        repeat_start=due if new.repeat_rule else None,
        occurrence=1,
        next_id=None,
        source_report_id=source[0] if source else None,
        source_incident_id=source[1] if source else None,
        created_at=now,
        updated_at=now,
        completed_at=None,
        completed_by=None,
        seconds_open=None,
    )
    _check_repeat(task, zone)
    return task


def apply_changes(
    before: TaskRow, given: Mapping[str, Any], by: str, now: datetime, zone: ZoneInfo
) -> tuple[TaskRow, list[dict[str, Any]]]:
    """Return the next version and its changes; without a difference the same version and none.

    Raises:
        InvalidInput: The repeat rule is not valid, or has no due date to start from.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        match name:
            case "due_date":
                values["due_at"] = due_at(value, zone)
            case "tags":
                values["tags"] = _unique(value)
            case "reminders":
                values["reminders"] = tuple(sorted(set(value)))
            case "title" | "category":
                values[name] = value.strip()
            case "description":
                values[name] = _normalize_line_ends(value)
            case "repeat_rule":
                values[name] = canonical(value) if value else None
            case _:
                values[name] = value
    after = replace(before, **values)
    if after.status != before.status:
        after = _apply_status_change(before, after, by, now)
    if after.repeat_rule != before.repeat_rule:
        start = after.due_at if after.repeat_rule else None
        after = replace(after, repeat_start=start, occurrence=1)
    if after.repeat_rule != before.repeat_rule or after.due_at != before.due_at:
        _check_repeat(after, zone)
    changes = differences(before, after)
    if changes:
        after = replace(after, version=before.version + 1, updated_at=now)
    return after, changes


def next_occurrence(done: TaskRow, now: datetime, zone: ZoneInfo) -> TaskRow | None:
    """Return the next occurrence of a completed repeating task; None after the last."""
    if done.repeat_rule is None or done.repeat_start is None or done.due_at is None:
        return None
    due = next_due(
        done.repeat_rule, done.repeat_start, done.occurrence, max(done.due_at, now), zone
    )
    if due is None:
        return None
    task_id = new_ulid()
    return replace(
        done,
        id=task_id,
        version=1,
        uid=f"{task_id}@hearth",
        status="pending",
        due_at=due,
        actual_hours=None,
        progress=0,
        occurrence=done.occurrence + 1,
        next_id=None,
        source_report_id=None,
        source_incident_id=None,
        created_at=now,
        updated_at=now,
        completed_at=None,
        completed_by=None,
        seconds_open=None,
    )


def to_response(task: TaskRow) -> TaskOut:
    """Return the response model of a task."""
    source = source_of(task)
    values = {name: getattr(task, name) for name in TaskOut.model_fields if hasattr(task, name)}
    values |= {"tags": list(task.tags), "reminders": list(task.reminders)}
    return TaskOut.model_validate({**values, "due_date": task.due_at, "source": source})


def source_of(task: TaskRow) -> SourceOut | None:
    """Return the report and incident behind a corrective task."""
    if task.source_report_id is None or task.source_incident_id is None:
        return None
    return SourceOut(report_id=task.source_report_id, incident_id=task.source_incident_id)


def is_open(task: TaskRow) -> bool:
    """Whether a task is neither completed nor cancelled."""
    return task.status not in CLOSED


def differences(before: TaskRow, after: TaskRow) -> list[dict[str, Any]]:
    """`field`, `old` and `new` of each field that differs, in JSON values."""
    names = {column: name for name, column in _COLUMN_OF.items()}
    return [
        {
            "field": names.get(column, column),
            "old": _json(getattr(before, column)),
            "new": _json(getattr(after, column)),
        }
        for column in _TRACKED
        if getattr(before, column) != getattr(after, column)
    ]


def _apply_status_change(before: TaskRow, after: TaskRow, by: str, now: datetime) -> TaskRow:
    """Set what a change of status implies: progress, completion time and by whom."""
    if after.status == "completed":
        seconds = max(0, int((now - before.created_at).total_seconds()))
        return replace(after, progress=100, completed_at=now, completed_by=by, seconds_open=seconds)
    if before.status == "completed":
        progress = 0 if after.progress == 100 else after.progress
        return replace(
            after, progress=progress, completed_at=None, completed_by=None, seconds_open=None
        )
    return after


def _check_repeat(task: TaskRow, zone: ZoneInfo) -> None:
    if task.repeat_rule is None:
        return
    if task.due_at is None:
        raise InvalidInput("a task with a repeat_rule needs a due_date, from which it counts")
    check_rule(task.repeat_rule, task.due_at, zone)


def _normalize_line_ends(text: str) -> str:
    """Use LF, so that a text is the same after an export and import."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _unique(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    return list(value) if isinstance(value, tuple) else value
