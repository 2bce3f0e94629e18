"""The notice of each domain event: its text, its topics and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from functions.notifications.event_schemas import (
    ReportReady,
    TaskCompleted,
    TaskCreated,
    TaskDue,
    ViolationDetected,
)
from hearth.errors import InvalidInput
from hearth.ledger.events import Event
from hearth.parsing import parse_model
from hearth.text import clean, truncate

MAX_TITLE: Final = 160
MAX_LINE: Final = 500
_MAX_LINES: Final = 12
_UNVERIFIED: Final = "Found automatically and verified by nobody."


@dataclass(frozen=True, slots=True)
class Notice:
    """The text of a notification and what it is about.

    Attributes:
        details: Ids and names, for programs.
        topics: What it is about; a channel that received all of them within the cooldown gets none.
        covers: Topics that count as received with it.
        user_ids: The users whom it concerns; None when it concerns everybody.
    """

    title: str
    lines: tuple[str, ...]
    details: Mapping[str, Any]
    topics: tuple[str, ...]
    covers: tuple[str, ...] = ()
    user_ids: frozenset[str] | None = field(default=None)


def notice_of(event: Event, zone: ZoneInfo) -> Notice:
    """Write the notice of an event, with its times in `zone`.

    Raises:
        InvalidInput: The event's type or version has no notice, or its data is not valid.
    """
    known = _BUILDERS.get((event.type, event.version))
    if known is None:
        raise InvalidInput(f"{event.type}.v{event.version} is not an event with a notification")
    model, build = known
    return build(parse_model(model, event.data, f"the {event.type} event"), zone)


def notice_for_test() -> Notice:
    """Return the notice of a test message."""
    return Notice(
        title="Test message from Hearth",
        lines=("If you can read this, the channel works.",),
        details={},
        topics=(),
    )


def format_local(when: datetime, zone: ZoneInfo) -> str:
    """Format a time as the site's clocks show it."""
    return when.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _violation(data: ViolationDetected, zone: ZoneInfo) -> Notice:
    names = [one.class_name for one in data.violations]
    lines = [
        _UNVERIFIED,
        _span(data.first_seen, data.last_seen, zone),
        *(f"{_words(one.class_name)}: {one.confidence:.0%} sure" for one in data.violations),
    ]
    if data.persons_max:
        lines.append(f"People at once: {data.persons_max}")
    if data.model.fallback:
        lines.append(f"Found by the fallback detector {data.model.name}, not by a trained model.")
    return Notice(
        title=_title(
            f"{_listed(names)} at {_place(data.camera_id, data.zone, data.site.site_name)}"
        ),
        lines=_lines(*lines),
        details={
            "incident_id": data.incident_id,
            "revision": data.revision,
            "camera_id": data.camera_id,
            "zone": data.zone,
            "classes": sorted(names),
        },
        topics=_rules(data.camera_id, names),
        covers=(f"incident:{data.incident_id}",),
    )


def _report(data: ReportReady, zone: ZoneInfo) -> Notice:
    where = _place(data.camera_id, data.zone, data.site_name)
    return Notice(
        title=_title(f"Report: {_listed(data.classes)} at {where}"),
        lines=_lines(
            data.summary,
            _UNVERIFIED,
            _span(data.first_seen, data.last_seen, zone),
            *(f"To do: {action}" for action in data.corrective_actions),
        ),
        details={
            "report_id": data.report_id,
            "incident_id": data.incident_id,
            "camera_id": data.camera_id,
            "zone": data.zone,
            "classes": sorted(data.classes),
        },
        topics=_rules(data.camera_id, data.classes),
        covers=(f"incident:{data.incident_id}",),
    )


def _created(data: TaskCreated, zone: ZoneInfo) -> Notice:
    incident_id = data.source.incident_id if data.source else None
    lines = [clean(data.description).strip()]
    if data.priority:
        lines.append(f"Priority: {data.priority}")
    if data.due_at:
        lines.append(f"Due: {format_local(data.due_at, zone)}")
    return Notice(
        title=_title(f"New task: {data.title}"),
        lines=_lines(*lines),
        details={
            "task_id": data.task_id,
            "priority": data.priority,
            "report_id": data.source.report_id if data.source else None,
            "incident_id": incident_id,
        },
        # A task made for an incident is no news on a channel that received the incident.
        topics=(f"incident:{incident_id}" if incident_id else f"task:{data.task_id}",),
        covers=(f"task:{data.task_id}",),
        user_ids=_user_ids(data.created_by, data.assignee),
    )


def _completed(data: TaskCompleted, zone: ZoneInfo) -> Notice:
    incident_id = data.source.incident_id if data.source else None
    closes = incident_id if data.close_incident else None
    return Notice(
        title=_title(f"Task done: {data.title}"),
        lines=_lines(
            f"Completed: {format_local(data.completed_at, zone)}",
            f"This closes incident {closes}." if closes else "",
        ),
        details={"task_id": data.task_id, "incident_id": incident_id, "closed": closes is not None},
        topics=(f"task:{data.task_id}",),
        user_ids=_user_ids(data.completed_by),
    )


def _due(data: TaskDue, zone: ZoneInfo) -> Notice:
    return Notice(
        title=_title(f"Task due: {data.title}"),
        lines=(f"Due: {format_local(data.due_at, zone)}",),
        details={"task_id": data.task_id, "reminder": data.reminder},
        # Not the task's own topic: the reminder of a task that was created minutes ago is wanted.
        topics=(f"due:{data.task_id}",),
        user_ids=_user_ids(data.assignee),
    )


_BUILDERS: dict[tuple[str, int], tuple[type[Any], Callable[[Any, ZoneInfo], Notice]]] = {
    ("safety.violation.detected", 2): (ViolationDetected, _violation),
    ("safety.report.ready", 1): (ReportReady, _report),
    ("task.created", 1): (TaskCreated, _created),
    ("task.completed", 1): (TaskCompleted, _completed),
    ("task.due", 1): (TaskDue, _due),
}
EVENTS: Final = tuple(event_type for event_type, _ in _BUILDERS)
"""The types of events that have a notice."""


def _user_ids(*ids: str | None) -> frozenset[str]:
    return frozenset(one for one in ids if one)


def _rules(camera_id: str, classes: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(sorted({f"camera:{camera_id}:{name}" for name in classes}))


def _place(camera_id: str, zone: str | None, site: str) -> str:
    return ", ".join(part for part in (camera_id, zone, site) if part)


def _words(class_name: str) -> str:
    return class_name.replace("_", " ")


def _listed(classes: tuple[str, ...] | list[str]) -> str:
    text = ", ".join(dict.fromkeys(map(_words, classes)))
    return text[:1].upper() + text[1:]


def _span(first: datetime, last: datetime, zone: ZoneInfo) -> str:
    seconds = round((last - first).total_seconds())
    return f"Seen: {format_local(first, zone)}, for {seconds:,} s"


def _title(text: str) -> str:
    return truncate(text, MAX_TITLE)


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(truncate(line, MAX_LINE) for line in lines if line)[:_MAX_LINES]
