"""Request and response models of the analytics API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from functions.analytics.buckets import Granularity
from hearth.http.query import TimeParameter

MAX_EVENTS = 100
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.:/-]*$"
NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, Field(max_length=100, pattern=NAME)]
Severity = Literal["debug", "info", "warning", "error", "critical"]
ERROR_SEVERITIES: tuple[Severity, ...] = ("warning", "error", "critical")
ErrorSeverity = Literal["warning", "error", "critical"]
Day = Annotated[str, Field(min_length=10, max_length=40, pattern=NO_NUL)]


class EventIn(BaseModel):
    """An event to record."""

    model_config = ConfigDict(extra="forbid")

    event_type: Annotated[Name, Field(description="What happened.", examples=["page.viewed"])]
    user_id: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=100,
            pattern=NO_NUL,
            description="Whose doing it was; the caller's by default. Another's needs the "
            "permission analytics:read.",
        ),
    ] = None
    metadata: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="Up to 8 kB of JSON, 8 deep."),
    ]
    timestamp: Annotated[
        TimeParameter | None,
        Field(description="When, RFC 3339; now by default. From 2020 to a day from now."),
    ] = None
    service: Annotated[Name | None, Field(description="What it is about.")] = None
    severity: Annotated[
        Severity | None, Field(description="From warning on it counts as an error.")
    ] = None
    event_id: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=64,
            pattern=r"^[A-Za-z0-9_.:-]+$",
            description="Yours, unique among your events: sent again, it is counted once.",
        ),
    ] = None


class EventBatch(BaseModel):
    """Several events; all are recorded, or none."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[EventIn], Field(min_length=1, max_length=MAX_EVENTS)]


class Recorded(BaseModel):
    """The ids of the recorded events."""

    success: Literal[True] = True
    event_id: Annotated[str | None, Field(description="Of the event; None after a batch.")]
    event_ids: Annotated[list[str], Field(description="In the order of the events.")]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class UsageQuery(BaseModel):
    """Query of usage counts."""

    model_config = ConfigDict(extra="forbid")

    start_date: Annotated[
        Day | None,
        Field(
            description="A date (its first instant in the time zone) or an RFC 3339 time. By "
            "default 24 hours, 30 days, 12 weeks or 12 months before the end."
        ),
    ] = None
    end_date: Annotated[
        Day | None,
        Field(description="A date (included) or an RFC 3339 time (excluded); now by default."),
    ] = None
    granularity: Granularity = Granularity.DAY
    timezone: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=64,
            pattern=NO_NUL,
            description="IANA name, such as Europe/Berlin; the site's by default.",
        ),
    ] = None
    metric: Annotated[
        list[Name],
        BeforeValidator(_as_list),
        Field(
            max_length=10,
            default_factory=list,
            description="Event types, each with a series of its own. Without any, one series "
            "`all` counts every event.",
        ),
    ]


class UsagePoint(BaseModel):
    """The number of events in one hour, day, week or month."""

    timestamp: Annotated[datetime, Field(description="When it begins, with the local offset.")]
    count: int
    metric: str


class UsageOut(BaseModel):
    """A series for each metric, without gaps: zeros are in it."""

    usage: list[UsagePoint]
    granularity: Granularity
    timezone: str
    start: Annotated[datetime, Field(description="Begin of the first bucket.")]
    end: Annotated[datetime, Field(description="End of the last bucket.")]
    total: int


class ErrorsQuery(BaseModel):
    """Query of errors."""

    model_config = ConfigDict(extra="forbid")

    start_date: Annotated[
        Day | None,
        Field(description="A date or an RFC 3339 time; by default a day before the end."),
    ] = None
    end_date: Annotated[
        Day | None,
        Field(description="A date (included) or an RFC 3339 time (excluded); now by default."),
    ] = None
    timezone: Annotated[str | None, Field(min_length=1, max_length=64, pattern=NO_NUL)] = None
    severity: Annotated[ErrorSeverity | None, Field(description="Only errors of this one.")] = None
    service: Annotated[Name | None, Field(description="Only errors of this one.")] = None
    limit: Annotated[int, Field(ge=1, le=100, description="How many groups to return.")] = 20


class ErrorGroup(BaseModel):
    """Errors of one kind."""

    type: Annotated[str, Field(description="Event type, or error code of a failed job.")]
    service: str
    severity: ErrorSeverity
    source: Annotated[
        Literal["event", "job"],
        Field(description="`event`: recorded events; `job`: failed jobs of the ledger."),
    ]
    job_kind: Annotated[str | None, Field(description="Kind of the failed jobs.")]
    message: Annotated[str | None, Field(description="Of the failed job that is the newest.")]
    count: int
    first_seen: datetime
    last_seen: datetime


class ErrorSummary(BaseModel):
    """Sums over all groups, also those beyond the limit."""

    total: int
    groups: int
    by_severity: dict[str, int]
    by_service: dict[str, int]


class ErrorsOut(BaseModel):
    """Errors by type, service and severity, the newest first."""

    errors: list[ErrorGroup]
    summary: ErrorSummary
    start: datetime
    end: datetime
    truncated: Annotated[
        bool,
        Field(description="Whether there are more groups, or more failed jobs than were read."),
    ]


State = Literal["healthy", "degraded", "unhealthy", "idle", "unknown"]


class MachineOut(BaseModel):
    """Utilization of the machine or Lambda sandbox, in per cent."""

    cpu: float
    memory: float
    disk: float


class ServiceHealth(BaseModel):
    """A function, or a service that functions use."""

    name: str
    status: State
    latency_ms: Annotated[float, Field(description="p95 of a function; of one call to the others.")]
    p50_ms: float | None = None
    p95_ms: float | None = None
    invocations: int | None = None
    errors: int | None = None
    throttles: int | None = None
    error_rate: Annotated[float | None, Field(description="0..1")] = None
    message: str | None = None


class QueueHealth(BaseModel):
    """The messages of a queue, and the due jobs of the ledger."""

    name: str
    status: State
    messages: Annotated[int | None, Field(description="Ready; None: the queue did not answer.")]
    messages_in_flight: int | None
    jobs_waiting: Annotated[int, Field(description="Jobs that could begin now.")]
    oldest_seconds: Annotated[
        float | None, Field(description="For how long the oldest of them has waited.")
    ]


class HealthOut(BaseModel):
    """The health of the system."""

    status: Literal["healthy", "degraded", "unhealthy"]
    metrics: MachineOut
    services: list[ServiceHealth]
    queues: list[QueueHealth]
    jobs: Annotated[dict[str, int], Field(description="State → number of jobs.")]
    since: Annotated[datetime, Field(description="The functions' figures begin here.")]
    checked_at: datetime


class TypeCount(BaseModel):
    """The number of events of one type."""

    metric: str
    count: int


class Today(BaseModel):
    """The local day so far."""

    date: str
    events: int
    errors: int
    hours: Annotated[list[UsagePoint], Field(description="One for each hour of the day.")]
    top: Annotated[list[TypeCount], Field(description="The most frequent event types.")]


class Trend(BaseModel):
    """Seven full days against the seven before them."""

    days: Annotated[list[UsagePoint], Field(description="The last seven full days.")]
    current: int
    previous: int
    change: Annotated[
        float | None, Field(description="0.5 is half as many again; None: there were none before.")
    ]


class DashboardOut(BaseModel):
    """Today and the trend."""

    timezone: str
    today: Today
    trends: dict[Literal["events", "errors"], Trend]
    jobs: dict[str, int]


class RollupReport(BaseModel):
    """Counts of one run; each is also a metric."""

    rolled: int = 0
    """Events that were rolled up."""
    forgotten: int = 0
    """Events that were deleted; their roll-ups stay."""
    out_of_time: bool = False
    """Whether the deadline left work for the next run."""
