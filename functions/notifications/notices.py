"""The notice of each domain event: its text, its topics and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from functions.notifications.event_schemas import (
    CameraBack,
    CameraSilent,
    IncidentReviewed,
    ReportReady,
    TaskCompleted,
    TaskCreated,
    TaskDue,
    TasksImported,
    ViolationAlert,
    ViolationDetected,
    ViolationEnded,
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
        is_news: Whether anybody is notified: not of what arrives finished, or is told otherwise.
        is_quiet: Whether it rings nowhere: people read it later.
        image_key: S3 key of an image to show; its faces are blurred.
    """

    title: str
    lines: tuple[str, ...]
    details: Mapping[str, Any]
    topics: tuple[str, ...]
    covers: tuple[str, ...] = ()
    user_ids: frozenset[str] | None = field(default=None)
    is_news: bool = True
    is_quiet: bool = False
    image_key: str | None = None


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
        lines.append(f"Found by the default detector {data.model.name}: no model is in force.")
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
        # People know of it: it goes on, or one of them has reviewed it.
        is_news=not data.continuations and data.review is None,
    )


def _started(data: ViolationAlert, zone: ZoneInfo) -> Notice:
    return _alert(data, zone, "", _rules(data.camera_id, _names(data)))


def _updated(data: ViolationAlert, zone: ZoneInfo) -> Notice:
    kind, _, value = data.change.partition("-")
    what = {
        "class": f"Now also {_words(value)}: ",
        "persons": f"Now {data.persons_max} people: ",
    }.get(kind, "Goes on: ")
    return _alert(data, zone, what, (f"update:{data.incident_id}:{data.change}",))


def _alert(data: ViolationAlert, zone: ZoneInfo, what: str, topics: tuple[str, ...]) -> Notice:
    evidence = data.evidence
    # Only what has its faces blurred leaves the site.
    blurred = evidence is not None and evidence.faces_blurred is not None
    lines = [
        f"Since {format_local(data.first_seen, zone)}, and it goes on.",
        _UNVERIFIED,
        *(f"{_words(one.class_name)}: {one.confidence:.0%} sure" for one in data.violations),
    ]
    if data.persons_max:
        lines.append(f"People at once: {data.persons_max}")
    if data.model.fallback:
        lines.append(f"Found by the default detector {data.model.name}: no model is in force.")
    where = _place(data.camera_id, data.zone, data.site.site_name)
    return Notice(
        title=_title(f"{what}{_listed(_names(data))} at {where}"),
        lines=_lines(*lines),
        details={
            "incident_id": data.incident_id,
            "camera_id": data.camera_id,
            "zone": data.zone,
            "classes": sorted(_names(data)),
            "evidence": f"/api/v1/incidents/{data.incident_id}/evidence" if evidence else None,
        },
        topics=topics,
        covers=(f"incident:{data.incident_id}",),
        image_key=evidence.key if evidence is not None and blurred else None,
    )


def _ended(data: ViolationEnded, zone: ZoneInfo) -> Notice:
    names = [one.class_name for one in data.violations]
    where = _place(data.camera_id, data.zone, data.site.site_name)
    seen = f"People seen: {data.persons_seen}" if data.persons_seen else ""
    return Notice(
        title=_title(f"Over: {_words(', '.join(dict.fromkeys(names)))} at {where}"),
        lines=_lines(_span(data.first_seen, data.last_seen, zone), seen),
        details={
            "incident_id": data.incident_id,
            "camera_id": data.camera_id,
            "zone": data.zone,
            "classes": sorted(names),
        },
        topics=(f"ended:{data.incident_id}",),
        is_quiet=True,
    )


def _reviewed(data: IncidentReviewed, zone: ZoneInfo) -> Notice:
    where = _place(data.camera_id, data.zone, "")
    return Notice(
        title=_title(f"Incident {data.review.verdict} at {where}"),
        lines=_lines(f"Because: {data.review.reason}", f"By {data.review.reviewed_by}"),
        details={"incident_id": data.incident_id, "verdict": data.review.verdict},
        topics=(f"review:{data.incident_id}:{data.review.verdict}",),
        # Only what somebody must look at now is for everybody.
        is_news=data.review.verdict == "escalated",
    )


def _silent(data: CameraSilent, zone: ZoneInfo) -> Notice:
    return Notice(
        title=_title(f"No pictures from {_place(data.camera_id, None, data.site.site_name)}"),
        lines=_lines(
            f"The last one came {format_local(data.last_received_at, zone)}.",
            "Nobody is watched over there until it is back.",
        ),
        details={"camera_id": data.camera_id},
        topics=(f"silent:{data.camera_id}",),
    )


def _back(data: CameraBack, zone: ZoneInfo) -> Notice:
    return Notice(
        title=_title(f"Pictures again from {_place(data.camera_id, None, data.site.site_name)}"),
        lines=_lines(
            f"None came from {format_local(data.silent_since, zone)} "
            f"to {format_local(data.back_at, zone)}."
        ),
        details={"camera_id": data.camera_id},
        topics=(f"back:{data.camera_id}",),
        is_quiet=True,
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
        is_news=not data.continuations and data.review is None,
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
        # An import tells of all of its tasks at once, and nobody has to do what is done.
        is_news=data.import_id is None and data.status not in ("completed", "cancelled"),
    )


def _imported(data: TasksImported, zone: ZoneInfo) -> Notice:
    number = data.created + data.updated
    return Notice(
        title=_title(f"{number:,} {'task was' if number == 1 else 'tasks were'} imported"),
        lines=_lines(f"{data.created:,} new, {data.updated:,} changed."),
        details={
            "import_id": data.import_id,
            "created": data.created,
            "updated": data.updated,
        },
        topics=(f"import:{data.import_id}",),
        user_ids=_user_ids(data.imported_by),
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
        is_news=data.import_id is None,
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
    ("safety.camera.back", 1): (CameraBack, _back),
    ("safety.camera.silent", 1): (CameraSilent, _silent),
    ("safety.incident.reviewed", 1): (IncidentReviewed, _reviewed),
    ("safety.violation.detected", 2): (ViolationDetected, _violation),
    ("safety.violation.ended", 1): (ViolationEnded, _ended),
    ("safety.violation.started", 1): (ViolationAlert, _started),
    ("safety.violation.updated", 1): (ViolationAlert, _updated),
    ("safety.report.ready", 1): (ReportReady, _report),
    ("task.created", 1): (TaskCreated, _created),
    ("task.completed", 1): (TaskCompleted, _completed),
    ("task.due", 1): (TaskDue, _due),
    ("task.imported", 1): (TasksImported, _imported),
}
EVENTS: Final = tuple(event_type for event_type, _ in _BUILDERS)
"""The types of events that have a notice."""


def _user_ids(*ids: str | None) -> frozenset[str]:
    return frozenset(one for one in ids if one)


def _rules(camera_id: str, classes: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(sorted({f"camera:{camera_id}:{name}" for name in classes}))


def _names(data: ViolationAlert) -> list[str]:
    return [one.class_name for one in data.violations]


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
