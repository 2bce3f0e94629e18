"""The incident event, version 2, and the response models of the detection API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from functions.detection.policy import NAME
from hearth.http.query import PageQuery, TimeParameter
from hearth.ids import format_time

Time = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
EndReason = Literal["gap", "stream_end", "silence", "max_duration"]
DropReason = Literal["lag", "rate"]
IncidentState = Literal["open", "ended", "superseded"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(_Frozen):
    site_name: str = ""
    site_location: str = ""
    company_name: str = ""


class ViolationClass(_Frozen):
    """`confidence` is the median of the frames' best scores, `observations` counts frames."""

    class_name: str
    description: str
    osha_regulation: str | None
    confidence: float
    peak_confidence: float
    observations: int
    first_seen: Time
    last_seen: Time


class Indeterminate(_Frozen):
    item: str
    reason: str


class DetectedBox(_Frozen):
    """`bbox` is x1, y1, x2, y2 in pixels of the source image."""

    class_name: str
    confidence: float
    bbox: tuple[float, float, float, float]
    person: int | None
    violation: bool


class Peak(_Frozen):
    captured_at: Time
    frame_key: str
    width: int
    height: int
    detections: tuple[DetectedBox, ...]


class Evidence(_Frozen):
    bucket: str
    key: str
    sha256: str
    faces_blurred: int | None
    blur_method: Literal["centerface-onnx", "opencv-haar"] | None
    note: str | None
    clip_key: str | None = None
    """Some seconds before and after the peak frame, as an animation."""
    clip_sha256: str | None = None


class ModelUsed(_Frozen):
    name: str
    sha256: str | None
    method: str
    backend: str
    classes: int
    fallback: bool
    notes: tuple[str, ...] = ()
    model_id: str | None = None
    variant: str = "original"
    precision: str | None = None


class Thresholds(_Frozen):
    confidence: float
    iou: float
    episode_score: float
    min_observations: int


class CameraSilent(_Frozen):
    """`safety.camera.silent`, version 1: no frame of a camera has come in for too long."""

    camera_id: str
    site: Site
    last_received_at: Time


class CameraBack(_Frozen):
    """`safety.camera.back`, version 1: frames of a camera that was silent come in again."""

    camera_id: str
    site: Site
    silent_since: Time
    back_at: Time


Review = Literal["verified", "dismissed", "escalated"]


class ReviewOut(_Frozen):
    """What a person said of an incident."""

    verdict: Review
    reason: str
    reviewed_by: str
    reviewed_at: Time


class ReviewIn(_Frozen):
    """Whether an incident is real, a false alarm, or one that somebody must look at now."""

    verdict: Review
    reason: str = Field(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")


class IncidentReviewed(_Frozen):
    """`safety.incident.reviewed`, version 1: a person said what an incident is."""

    incident_id: str
    camera_id: str
    zone: str | None
    review: ReviewOut


class SafetyViolationDetected(_Frozen):
    """`safety.violation.detected`, version 2: one settled incident.

    A longer incident is cut; what continues it is counted with it, in a new revision: `last_seen`,
    counts and confidences are those of all its parts, peak and evidence those of the first.
    `persons_seen` counts different people, by their tracks.
    """

    schema_version: Literal[2] = 2
    event_id: str
    type: Literal["end"] = "end"
    incident_id: str
    revision: int
    camera_id: str
    zone: str | None
    site: Site
    first_seen: Time
    last_seen: Time
    end_reason: EndReason
    frames_observed: int
    persons_max: int
    violations: tuple[ViolationClass, ...] = Field(min_length=1)
    indeterminate: tuple[Indeterminate, ...]
    peak: Peak
    evidence: Evidence
    model: ModelUsed
    thresholds: Thresholds
    persons_seen: int | None = None
    continuations: tuple[str, ...] = ()
    review: ReviewOut | None = None


class _Alert(_Frozen):
    incident_id: str
    camera_id: str
    zone: str | None
    site: Site
    first_seen: Time
    last_seen: Time
    persons_max: int
    violations: tuple[ViolationClass, ...]


class SafetyViolationStarted(_Alert):
    """`safety.violation.started`, version 1: an incident is believed and goes on."""

    evidence: Evidence | None
    model: ModelUsed


class SafetyViolationUpdated(_Alert):
    """`safety.violation.updated`, version 1: what goes on is worse, or goes on for long.

    `change` is `class-<name>` (another rule is broken), `persons-<number>` (so many at once) or
    `continued` (it goes on in a continuation).
    """

    change: str
    evidence: Evidence | None
    model: ModelUsed


class SafetyViolationEnded(_Alert):
    """`safety.violation.ended`, version 1: an incident is over, with all that continued it."""

    revision: int
    end_reason: EndReason
    persons_seen: int | None
    continuations: tuple[str, ...]


class TaskSource(BaseModel):
    """The incident that a task was created for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    incident_id: str | None = None


class CompletedTask(BaseModel):
    """The fields of `task.completed`, version 1, that concern an incident."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str = Field(min_length=1, max_length=100)
    completed_at: AwareDatetime
    close_incident: bool
    source: TaskSource | None = None


class ModelOut(ModelUsed):
    """`detail` names the runtime's version, its arithmetic, threads and the processor."""

    detail: str


class ReopenedTask(BaseModel):
    """The fields of `task.reopened`, version 1, that concern an incident."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    task_id: str = Field(min_length=1, max_length=100)
    reopened_at: AwareDatetime
    source: TaskSource | None = None


class CameraOut(_Frozen):
    """Counters of one camera; `verdicts` counts people on frames.

    `dropped_frames` were not judged: those of `lag` had waited longer than the policy's
    `max_lag_s` (load shedding), those of `rate` were over its `max_fps` (rate limit).
    """

    camera_id: str
    frames: int
    frames_with_person: int
    failed_frames: int
    dropped_frames: int
    dropped_by_reason: dict[DropReason, int]
    first_frame_at: Time | None
    last_frame_at: Time | None
    ended_at: Time | None
    silent_since: Time | None = None
    """Since when no frame has come in, where somebody is told of that."""
    verdicts: dict[str, int]
    open_incidents: int
    reviews: dict[Review, int] = Field(default_factory=dict)
    """Incidents by their latest review; many dismissed ones ask for another policy or model."""
    model: ModelOut | None
    configured: bool = False
    """Whether the camera has a row, so that the stack watches it by itself; what follows is its."""
    id: str | None = None
    version: int | None = None
    source: str | None = None
    """Without user name, password and query."""
    rate: float | None = None
    region: list[list[float]] | None = None
    policy: str | None = None
    enabled: bool | None = None


class CameraPage(_Frozen):
    cameras: list[CameraOut]


class IncidentOut(_Frozen):
    incident_id: str
    camera_id: str
    zone: str | None
    state: IncidentState
    revision: int
    first_seen: Time
    last_seen: Time
    end_reason: EndReason | None
    frames_observed: int
    persons_max: int
    violations: tuple[ViolationClass, ...]
    superseded_by: str | None
    closed_at: Time | None
    """When a person had dealt with it; its task holds who and how."""
    closed_by_task: str | None
    evidence: Evidence | None
    continuation_of: str | None = None
    """The incident that this one goes on with; both count as one."""
    review: Review | None = None
    """The latest of its reviews."""


class IncidentDetailOut(IncidentOut):
    continuations: tuple[str, ...] = ()
    """Ids of the incidents that go on with this one, in order of time."""
    reviews: tuple[ReviewOut, ...] = ()
    peak: Peak | None
    persons: list[dict[str, Any]]
    indeterminate: tuple[Indeterminate, ...]
    model: ModelOut | None


class IncidentPage(_Frozen):
    incidents: list[IncidentOut]
    next_cursor: str | None


class PersonAttribute(_Frozen):
    """Consensus of several frames on one item; `reason` is why it is not accepted."""

    item: str
    state: Literal["worn", "missing", "indeterminate"]
    confidence: float
    attempts: int
    agreement: float
    reason: str | None


class PersonOut(_Frozen):
    """One person over an incident's frames.

    `confidence` is the median of the frames' scores, `violations` counts frames, and `confirmed`
    says whether there were enough good frames to believe in the person.
    """

    person_id: str
    first_seen: Time
    last_seen: Time
    frames: int
    confidence: float
    confirmed: bool
    verdict: Literal["compliant", "violation", "indeterminate"]
    attributes: list[PersonAttribute]
    violations: dict[str, int]
    last_bbox: tuple[float, float, float, float]


class PersonsOut(_Frozen):
    """The people of an incident; `complete` is false where frames are deleted or too many."""

    incident_id: str
    camera_id: str
    frames_with_person: int
    complete: bool
    persons: list[PersonOut]


class IncidentQuery(PageQuery):
    """Which incidents; `from` and `to` bound the time in which they went on."""

    camera_id: str | None = Field(None, pattern=NAME)
    state: IncidentState | None = None
    since: TimeParameter | None = Field(None, alias="from")
    until: TimeParameter | None = Field(None, alias="to")
    closed: bool | None = Field(None, description="Whether a person has dealt with it.")
    continuations: bool = Field(
        False, description="Also the parts of long incidents, which count as one with the first."
    )
