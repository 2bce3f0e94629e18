"""The incident event (v2), narratives, payloads of jobs, and models of the reports API.

The producer's own model of the event is in `functions/detection`; a contract test compares the two.
This side is lenient: unknown fields are ignored, and fields that an older producer does not send
(model, thresholds, image size) are optional. Times are aware and in UTC, confidences are 0..1,
boxes are (x1, y1, x2, y2) in source pixels.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from hearth.ids import ULID_PATTERN, format_time

Ulid = Annotated[str, StringConstraints(pattern=f"^{ULID_PATTERN}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(max_length=200)]
Sentence = Annotated[str, StringConstraints(max_length=2_000)]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda when: when.astimezone(UTC))]
Time = Annotated[
    datetime,
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Pixel = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**9)]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Site(_Fact):
    site_name: Name = ""
    site_location: Name = ""
    company_name: Name = ""


class Violation(_Fact):
    class_name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    description: Sentence = ""
    osha_regulation: Name | None = None
    confidence: Unit
    """Median over the observations."""
    peak_confidence: Unit
    observations: Annotated[int, Field(ge=1, le=10**9)]
    first_seen: UtcTime
    last_seen: UtcTime


class Indeterminate(_Fact):
    item: Name
    reason: Sentence


class PeakDetection(_Fact):
    class_name: Annotated[str, StringConstraints(max_length=64)]
    confidence: Unit
    bbox: tuple[Pixel, Pixel, Pixel, Pixel]
    person: int | None = None
    violation: bool = False


class Peak(_Fact):
    captured_at: UtcTime
    frame_key: Annotated[str, StringConstraints(max_length=1_024)] | None = None
    width: Count | None = None
    height: Count | None = None
    detections: Annotated[tuple[PeakDetection, ...], Field(max_length=1_000)] = ()


class Evidence(_Fact):
    bucket: Annotated[str, StringConstraints(max_length=255)]
    key: Annotated[str, StringConstraints(min_length=1, max_length=1_024)]
    sha256: Sha256 | None = None
    faces_blurred: Count | None = None
    blur_method: Name | None = None
    note: Sentence | None = None
    clip_key: Annotated[str, StringConstraints(max_length=1_024)] | None = None
    clip_sha256: Sha256 | None = None


class Review(_Fact):
    """What a person said of the incident."""

    verdict: Literal["verified", "dismissed", "escalated"]
    reason: Sentence
    reviewed_by: Name
    reviewed_at: UtcTime


class DetectorModel(_Fact):
    name: Name
    sha256: Sha256 | None = None
    method: Name = ""
    backend: Name = ""
    classes: Count = 0
    fallback: bool = False
    notes: Annotated[tuple[Sentence, ...], Field(max_length=50)] = ()
    model_id: Name | None = None
    variant: Name = "original"
    precision: Name | None = None


class Thresholds(_Fact):
    confidence: Unit | None = None
    iou: Unit | None = None
    episode_score: Unit | None = None
    min_observations: Count | None = None


class IncidentEvent(_Fact):
    """`safety.violation.detected`, version 2: one incident that has ended.

    Raises:
        pydantic.ValidationError: A field is missing or outside its limits, or the times are
            the wrong way round.
    """

    schema_version: Literal[2]
    event_id: Ulid
    type: Literal["end"] = "end"
    incident_id: Ulid
    revision: Annotated[int, Field(ge=1, le=10**6)]
    camera_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    zone: Name | None = None
    site: Site = Site()
    first_seen: UtcTime
    last_seen: UtcTime
    end_reason: Name = ""
    frames_observed: Count | None = None
    persons_max: Count | None = None
    violations: Annotated[tuple[Violation, ...], Field(min_length=1, max_length=32)]
    indeterminate: Annotated[tuple[Indeterminate, ...], Field(max_length=64)] = ()
    peak: Peak
    evidence: Evidence | None = None
    model: DetectorModel
    thresholds: Thresholds = Thresholds()
    persons_seen: Count | None = None
    continuations: Annotated[tuple[Ulid, ...], Field(max_length=10_000)] = ()
    review: Review | None = None

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        if self.last_seen < self.first_seen:
            raise ValueError(f"last_seen {self.last_seen} is before first_seen {self.first_seen}")
        return self

    @property
    def duration_s(self) -> float:
        """Seconds between the first and the last observation."""
        return (self.last_seen - self.first_seen).total_seconds()


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]


class NarrativeText(BaseModel):
    """The text of a report, by rules or by a language model; it contains no facts."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    summary: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=6_000)
    ]
    hazards: Annotated[tuple[Line, ...], Field(min_length=1, max_length=40)]
    corrective_actions: Annotated[tuple[Line, ...], Field(min_length=4, max_length=40)]
    follow_up: Annotated[tuple[Line, ...], Field(min_length=1, max_length=40)]


class Narrative(NarrativeText):
    """A narrative and who wrote it."""

    source: Literal["rules", "llm"]
    model: Name | None = None
    """The language model's name; None where the rules wrote it."""
    note: Sentence | None = None
    """Why the rules wrote it although a language model is configured."""


class ReportReady(BaseModel):
    """`safety.report.ready`, version 1: a report, or a new revision of one, is filed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    report_id: str
    incident_id: str
    camera_id: str
    zone: str | None
    classes: tuple[str, ...]
    first_seen: Time
    last_seen: Time
    summary: str
    corrective_actions: tuple[str, ...]
    pdf_key: str
    site_name: str
    continuations: int = 0
    """More than none: a revision that tells of a further part of the same incident."""
    review: Literal["verified", "dismissed", "escalated"] | None = None


class TaskSource(_Fact):
    """The report that a task was created for."""

    report_id: Ulid | None = None


class CreatedTask(_Fact):
    """`task.created`, version 1, as far as it concerns reports."""

    task_id: Ulid
    source: TaskSource | None = None


class EmailJob(BaseModel):
    """Payload of `reports.email`: exactly one of the two is set."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    report_id: Ulid | None = None
    digest_date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.report_id is None) == (self.digest_date is None):
            raise ValueError("give either report_id or digest_date")
        return self


class DigestJob(BaseModel):
    """Payload of `reports.digest`: the local date that the digest closes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    digest_date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class DigestEntry(BaseModel):
    """One report in a digest."""

    model_config = ConfigDict(frozen=True)

    report_id: str
    camera_id: str
    site_name: str
    first_seen: datetime
    last_seen: datetime
    classes: tuple[str, ...]


class Digest(BaseModel):
    """The content of one digest; fixed when the digest is closed, so that a retry is identical."""

    model_config = ConfigDict(frozen=True)

    digest_date: str
    closed_at: datetime
    total: int
    by_class: dict[str, int]
    by_camera: dict[str, int]
    entries: tuple[DigestEntry, ...]
    """The newest reports, oldest first; limited, so there may be fewer than `total`."""


class EmailState(BaseModel):
    """The state of a report's e-mail."""

    state: Literal["intended", "sent", "failed"]
    message_id: str
    recipients: tuple[str, ...]
    accepted: tuple[str, ...]
    refused: dict[str, str]
    attempts: int
    error: str | None
    intended_at: datetime
    finished_at: datetime | None


class ReportSummary(BaseModel):
    """One report in a list."""

    id: str
    incident_id: str
    revision: int
    camera_id: str
    zone: str | None
    site: Site
    first_seen: datetime
    last_seen: datetime
    classes: tuple[str, ...]
    narrative_source: Literal["rules", "llm"]
    pdf_key: str
    pdf_sha256: str
    task_id: str | None
    """The task that corrects what the report found."""
    created_at: datetime
    updated_at: datetime
    persons_seen: int | None = None
    """Different people, by their tracks; None in reports of earlier releases."""
    continuations: int | None = None
    """How many further parts of the incident the report tells of."""
    review: Literal["verified", "dismissed", "escalated"] | None = None
    review_reason: str | None = None
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None
    clip_key: str | None = None
    """An animation of some seconds around the peak frame, beside the evidence image."""


class ReportDetail(ReportSummary):
    """One report with its narrative and the state of its e-mail (None: no e-mail is intended)."""

    narrative: Narrative
    email: EmailState | None


class ReportPage(BaseModel):
    """Some reports, newest incident first; `next_cursor` is None on the last page."""

    reports: list[ReportSummary]
    next_cursor: str | None
