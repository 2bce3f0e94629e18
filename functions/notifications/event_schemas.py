"""The fields of domain events that notifications read; other fields are ignored."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from hearth.text import clean


def _line(value: object) -> object:
    return clean(value).strip() if isinstance(value, str) else value


Line = Annotated[str, BeforeValidator(_line), Field(max_length=6_000)]
"""One line of text without control characters."""
Name = Annotated[str, BeforeValidator(_line), Field(max_length=200)]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Time = Annotated[AwareDatetime, AfterValidator(lambda when: when.astimezone(UTC))]


class _EventData(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Site(_EventData):
    site_name: Name = ""


class Violation(_EventData):
    class_name: Name
    description: Line = ""
    confidence: float = Field(ge=0, le=1)


class Model(_EventData):
    name: Name = ""
    fallback: bool = False


class _IncidentData(_EventData):
    incident_id: Id
    camera_id: Name
    zone: Name | None = None
    site: Site = Site()
    first_seen: Time
    last_seen: Time
    persons_max: int | None = None


class ViolationDetected(_IncidentData):
    """`safety.violation.detected`, version 2."""

    revision: int = Field(ge=1)
    violations: Annotated[tuple[Violation, ...], Field(min_length=1, max_length=100)]
    model: Model = Model()
    continuations: tuple[Id, ...] = ()
    review: dict[str, Any] | None = None


class Evidence(_EventData):
    """The image of an alert; `faces_blurred` is None when no face was looked for."""

    key: str = Field(max_length=1_024)
    faces_blurred: int | None = None


class ViolationAlert(_IncidentData):
    """`safety.violation.started` and `safety.violation.updated`, version 1."""

    violations: Annotated[tuple[Violation, ...], Field(min_length=1, max_length=100)]
    change: Name = ""
    evidence: Evidence | None = None
    model: Model = Model()


class ViolationEnded(_IncidentData):
    """`safety.violation.ended`, version 1."""

    persons_seen: int | None = None
    violations: Annotated[tuple[Violation, ...], Field(max_length=100)]


class CameraSilent(_EventData):
    """`safety.camera.silent`, version 1."""

    camera_id: Name
    site: Site = Site()
    last_received_at: Time


class CameraBack(_EventData):
    """`safety.camera.back`, version 1."""

    camera_id: Name
    site: Site = Site()
    silent_since: Time
    back_at: Time


class Review(_EventData):
    verdict: Name
    reason: Line
    reviewed_by: Id


class IncidentReviewed(_EventData):
    """`safety.incident.reviewed`, version 1."""

    incident_id: Id
    camera_id: Name
    zone: Name | None = None
    review: Review


class ReportReady(_EventData):
    """`safety.report.ready`, version 1."""

    report_id: Id
    incident_id: Id
    camera_id: Name
    zone: Name | None = None
    classes: Annotated[tuple[Name, ...], Field(max_length=100)]
    first_seen: Time
    last_seen: Time
    summary: Line
    corrective_actions: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    site_name: Name = ""
    continuations: int = 0
    review: Name | None = None


class Source(_EventData):
    """The report or incident that a task was created for."""

    report_id: Id | None = None
    incident_id: Id | None = None


class TaskCreated(_EventData):
    """`task.created`, version 1."""

    task_id: Id
    title: Line
    description: str = Field("", max_length=100_000)
    priority: Name = ""
    created_by: Id
    assignee: Id | None = None
    due_at: Time | None = None
    source: Source | None = None
    status: Name = "pending"
    import_id: Id | None = None


class TasksImported(_EventData):
    """`task.imported`, version 1: a file was read; one event, however many tasks it holds."""

    import_id: Id
    imported_by: Id
    created: int
    updated: int


class TaskCompleted(_EventData):
    """`task.completed`, version 1."""

    task_id: Id
    title: Line
    completed_by: Id
    completed_at: Time
    close_incident: bool = False
    source: Source | None = None
    import_id: Id | None = None


class TaskDue(_EventData):
    """`task.due`, version 1."""

    task_id: Id
    title: Line
    assignee: Id | None = None
    due_at: Time
    reminder: Id
