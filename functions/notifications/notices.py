"""What people are told of each event: the words, and what they are about."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ValidationError

from functions.notifications.event_schemas import (
    ReportReady,
    TaskCompleted,
    TaskCreated,
    TaskDue,
    ViolationDetected,
)
from hearth.errors import InvalidInput
from hearth.ledger.events import Event
from hearth.text import clean

M = TypeVar("M", bound=BaseModel)

MAX_TITLE: Final = 160
MAX_LINE: Final = 500
_MAX_LINES: Final = 12
_UNVERIFIED: Final = "Found automatically and verified by nobody."


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell.

    Attributes:
        title: One line.
        lines: The rest, one thought each.
        details: Ids and names, for machines.
        topics: What it is about; a channel that was told of all of them lately is spared.
        covers: What else counts as told with it.
        people: Ids of the users whom it concerns; None where it is everybody's business.
    """

    title: str
    lines: tuple[str, ...]
    details: Mapping[str, Any]
    topics: tuple[str, ...]
    covers: tuple[str, ...] = ()
    people: frozenset[str] | None = field(default=None)


def notice_of(event: Event, zone: ZoneInfo) -> Notice:
    """What to tell of an event, its times as clocks in `zone` show them.

    Raises:
        InvalidInput: A type or version that is not known, or its data lacks what is told.
    """
    known = _WRITERS.get((event.type, event.version))
    if known is None:
        raise InvalidInput(f"{event.type}.v{event.version} is not an event that people are told of")
    model, write = known
    return write(_read(model, event), zone)


def trial_notice() -> Notice:
    """What a person sends to see whether a channel works."""
    return Notice(
        title="Test message from Hearth",
        lines=("If you can read this, the channel works.",),
        details={},
        topics=(),
    )


def shown(when: datetime, zone: ZoneInfo) -> str:
    """A time as clocks on the site show it."""
    return when.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _read(model: type[M], event: Event) -> M:
    try:
        # From JSON text: times are then read by JSON's rules.
        return model.model_validate_json(json.dumps(dict(event.data)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"the {event.type} event is not valid: {where}: {first['msg']}") from (
            error
        )


def _violation(told: ViolationDetected, zone: ZoneInfo) -> Notice:
    names = [one.class_name for one in told.violations]
    lines = [
        _UNVERIFIED,
        _span(told.first_seen, told.last_seen, zone),
        *(f"{_words(one.class_name)}: {one.confidence:.0%} sure" for one in told.violations),
    ]
    if told.persons_max:
        lines.append(f"People at once: {told.persons_max}")
    if told.model.fallback:
        lines.append(f"Found by the fallback detector {told.model.name}, not by a trained model.")
    return Notice(
        title=_title(
            f"{_listed(names)} at {_place(told.camera_id, told.zone, told.site.site_name)}"
        ),
        lines=_lines(*lines),
        details={
            "incident_id": told.incident_id,
            "revision": told.revision,
            "camera_id": told.camera_id,
            "zone": told.zone,
            "classes": sorted(names),
        },
        topics=_rules(told.camera_id, names),
        covers=(f"incident:{told.incident_id}",),
    )


def _report(told: ReportReady, zone: ZoneInfo) -> Notice:
    where = _place(told.camera_id, told.zone, told.site_name)
    return Notice(
        title=_title(f"Report: {_listed(told.classes)} at {where}"),
        lines=_lines(
            told.summary,
            _UNVERIFIED,
            _span(told.first_seen, told.last_seen, zone),
            *(f"To do: {action}" for action in told.corrective_actions),
        ),
        details={
            "report_id": told.report_id,
            "incident_id": told.incident_id,
            "camera_id": told.camera_id,
            "zone": told.zone,
            "classes": sorted(told.classes),
        },
        topics=_rules(told.camera_id, told.classes),
        covers=(f"incident:{told.incident_id}",),
    )


def _created(told: TaskCreated, zone: ZoneInfo) -> Notice:
    incident_id = told.source.incident_id if told.source else None
    lines = [clean(told.description).strip()]
    if told.priority:
        lines.append(f"Priority: {told.priority}")
    if told.due_at:
        lines.append(f"Due: {shown(told.due_at, zone)}")
    return Notice(
        title=_title(f"New task: {told.title}"),
        lines=_lines(*lines),
        details={
            "task_id": told.task_id,
            "priority": told.priority,
            "report_id": told.source.report_id if told.source else None,
            "incident_id": incident_id,
        },
        # A task that an incident brought along is no news where the incident was told.
        topics=(f"incident:{incident_id}" if incident_id else f"task:{told.task_id}",),
        covers=(f"task:{told.task_id}",),
        people=_people(told.created_by, told.assignee),
    )


def _completed(told: TaskCompleted, zone: ZoneInfo) -> Notice:
    incident_id = told.source.incident_id if told.source else None
    closes = incident_id if told.close_incident else None
    return Notice(
        title=_title(f"Task done: {told.title}"),
        lines=_lines(
            f"Completed: {shown(told.completed_at, zone)}",
            f"This closes incident {closes}." if closes else "",
        ),
        details={"task_id": told.task_id, "incident_id": incident_id, "closed": closes is not None},
        topics=(f"task:{told.task_id}",),
        people=_people(told.completed_by),
    )


def _due(told: TaskDue, zone: ZoneInfo) -> Notice:
    return Notice(
        title=_title(f"Task due: {told.title}"),
        lines=(f"Due: {shown(told.due_at, zone)}",),
        details={"task_id": told.task_id, "reminder": told.reminder},
        # Not the task itself: a reminder of one that was made minutes ago was asked for.
        topics=(f"due:{told.task_id}",),
        people=_people(told.assignee),
    )


_WRITERS: dict[tuple[str, int], tuple[type[Any], Callable[[Any, ZoneInfo], Notice]]] = {
    ("safety.violation.detected", 2): (ViolationDetected, _violation),
    ("safety.report.ready", 1): (ReportReady, _report),
    ("task.created", 1): (TaskCreated, _created),
    ("task.completed", 1): (TaskCompleted, _completed),
    ("task.due", 1): (TaskDue, _due),
}
EVENTS: Final = tuple(event_type for event_type, _ in _WRITERS)
"""Types that people can be told of."""


def _people(*ids: str | None) -> frozenset[str]:
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
    return f"Seen: {shown(first, zone)}, for {seconds:,} s"


def _title(text: str) -> str:
    return shortened(text, MAX_TITLE)


def _lines(*lines: str) -> tuple[str, ...]:
    return tuple(shortened(line, MAX_LINE) for line in lines if line)[:_MAX_LINES]
