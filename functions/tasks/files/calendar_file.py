"""Tasks as iCalendar (RFC 5545): one VTODO each, read and written by the icalendar library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from functions.tasks.repository.tasks import TaskRow
from hearth.errors import InvalidInput

if TYPE_CHECKING:
    from icalendar import Component

HEADER: Final = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Hearth//Tasks//EN\r\n"
FOOTER: Final = "END:VCALENDAR\r\n"
_STATUS: Final = {
    "pending": "NEEDS-ACTION",
    "in_progress": "IN-PROCESS",
    "blocked": "NEEDS-ACTION",
    "completed": "COMPLETED",
    "cancelled": "CANCELLED",
}
_STATUS_OF: Final = {
    "NEEDS-ACTION": "pending",
    "IN-PROCESS": "in_progress",
    "COMPLETED": "completed",
    "CANCELLED": "cancelled",
}
_PRIORITY: Final = {"urgent": 1, "high": 3, "medium": 5, "low": 9}
_OWN: Final = {
    "estimated_hours": "X-HEARTH-ESTIMATED-HOURS",
    "actual_hours": "X-HEARTH-ACTUAL-HOURS",
    "assignee": "X-HEARTH-ASSIGNEE",
}


def component(task: TaskRow, now: datetime) -> str:
    """One task."""
    from icalendar import Todo, vRecur

    todo = Todo()
    todo.add("uid", task.uid)
    todo.add("dtstamp", now)
    todo.add("summary", task.title)
    todo.add("description", task.description)
    todo.add("status", _STATUS[task.status])
    if task.status == "blocked":
        todo.add("x-hearth-status", "blocked")
    todo.add("priority", _PRIORITY[task.priority])
    todo.add("categories", [task.category, *task.tags])
    todo.add("percent-complete", task.progress)
    todo.add("sequence", task.version - 1)
    todo.add("created", task.created_at)
    todo.add("last-modified", task.updated_at)
    if task.due_at is not None:
        # A repeated to-do needs a start (RFC 5545, 3.8.2.4).
        if task.repeat_rule is not None:
            todo.add("dtstart", task.due_at)
        todo.add("due", task.due_at)
    if task.completed_at is not None:
        todo.add("completed", task.completed_at)
    if task.repeat_rule is not None:
        todo.add("rrule", vRecur.from_ical(task.repeat_rule))
    for name, own in _OWN.items():
        value = getattr(task, name)
        if value is not None:
            todo.add(own, str(value))
    return bytes(todo.to_ical()).decode()


def items(data: bytes, zone: ZoneInfo) -> Iterator[Mapping[str, Any]]:
    """The fields of each VTODO of a file, as far as it has them.

    Args:
        data: The file.
        zone: For times that name none.

    Raises:
        InvalidInput: Not such a file.
    """
    from icalendar import Calendar

    try:
        calendar = Calendar.from_ical(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the calendar is not UTF-8: byte {error.start}") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        # Its parser gives up in many ways; none of them is our own.
        raise InvalidInput(f"this is no iCalendar file: {str(error)[:200]!r}") from error
    for todo in calendar.walk("VTODO"):
        try:
            yield _fields(todo, zone)
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            OverflowError,
        ) as error:
            yield {"uid": _text(todo, "UID"), "title": None, "error": str(error)[:200]}


def _fields(todo: Component, zone: ZoneInfo) -> dict[str, Any]:
    found: dict[str, Any] = {"uid": _text(todo, "UID"), "title": _text(todo, "SUMMARY")}
    if (description := _text(todo, "DESCRIPTION")) is not None:
        found["description"] = description
    if (status := _text(todo, "STATUS")) is not None:
        found["status"] = _STATUS_OF.get(status.upper(), status)
        if _text(todo, "X-HEARTH-STATUS") == "blocked" and found["status"] == "pending":
            found["status"] = "blocked"
    if (priority := _text(todo, "PRIORITY")) is not None:
        found["priority"] = _priority_of(int(priority))
    if (progress := _text(todo, "PERCENT-COMPLETE")) is not None:
        found["progress"] = progress
    if categories := _categories(todo):
        found["category"], *found["tags"] = categories
    if (rule := _one(todo, "RRULE")) is not None:
        found["repeat_rule"] = bytes(rule.to_ical()).decode()
    for name, own in _OWN.items():
        if (value := _text(todo, own)) is not None:
            found[name] = value
    for name, prop in (
        ("due_date", "DUE"),
        ("created_at", "CREATED"),
        ("completed_at", "COMPLETED"),
    ):
        if (value := _one(todo, prop)) is not None:
            found[name] = _moment(value.dt, zone)
    return found


def _one(todo: Component, name: str) -> Any:
    value = todo.get(name)
    return value[0] if isinstance(value, list) else value


def _text(todo: Component, name: str) -> str | None:
    value = _one(todo, name)
    return None if value is None else str(value)


def _categories(todo: Component) -> list[str]:
    value = todo.get("CATEGORIES")
    several = value if isinstance(value, list) else [value] if value is not None else []
    return [str(name) for one in several for name in getattr(one, "cats", [one]) if str(name)]


def _priority_of(number: int) -> str:
    """1 to 4 are high, 5 is medium, 6 to 9 are low; 0 is undefined (RFC 5545, 3.8.1.9)."""
    if number == 1:
        return "urgent"
    if 2 <= number <= 4:
        return "high"
    return "low" if 6 <= number <= 9 else "medium"


def _moment(value: date | datetime, zone: ZoneInfo) -> date | datetime:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=zone)
    return value
