"""Request and response models of the tasks API. Times are RFC 3339 in UTC; hours are decimal."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from hearth.errors import InvalidInput
from hearth.ids import ULID_PATTERN, parse_time
from hearth.paging import MAX_LIMIT

Status = Literal["pending", "in_progress", "blocked", "completed", "cancelled"]
PriorityName = Literal["low", "medium", "high", "urgent"]
SortKey = Literal["created_at", "updated_at", "due_date", "priority"]
_PENDING: Status = "pending"
_MEDIUM: PriorityName = "medium"
CLOSED: frozenset[str] = frozenset({"completed", "cancelled"})

MAX_DESCRIPTION = 4_000
"""Characters; a job's payload of 64 kB holds as many of any script."""
MAX_TAGS = 10
MAX_REMINDERS = 3
MAX_BULK = 100
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _reject_boolean(value: Any) -> Any:
    """In JSON true is not a number; pydantic would read it as 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  # what pydantic reports as invalid
    return value


_NUMBER = BeforeValidator(_reject_boolean)
NO_NUL = r"^[^\x00]*$"
_LINE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
"""One line with something on it."""
TASK_ID = f"^{ULID_PATTERN}$"

Title = Annotated[str, StringConstraints(max_length=200, pattern=_LINE)]
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
"""Lines and tabs, but no other control characters: no file format carries those."""
Text = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION, pattern=_TEXT)]
Category = Annotated[str, StringConstraints(max_length=50, pattern=_LINE)]
Person = Annotated[
    str,
    StringConstraints(max_length=64, pattern=r"^[!-~]+$"),
    Field(description="Id of a user."),
]
Tag = Annotated[
    str, StringConstraints(max_length=32, pattern=r"^[^\s|,\x00-\x1f\x7f]+$", to_lower=True)
]
Hours = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False), _NUMBER]
Minutes = Annotated[int, Field(ge=0, le=60 * 24 * 60), _NUMBER]
TaskId = Annotated[str, StringConstraints(pattern=TASK_ID)]
RepeatRule = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[ -~]+$"),
    Field(
        description="An RFC 5545 recurrence rule without RRULE: in front. FREQ is DAILY or longer.",
        examples=["FREQ=WEEKLY;BYDAY=MO,TH"],
    ),
]


def _day_or_time(value: Any) -> Any:
    """A date stays one; anything else is a time with an offset.

    pydantic's own datetime would take numbers, which no document mentions, and times without an
    offset, which name no moment.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, date):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"there is no day {value}") from error
    try:
        return parse_time(value)
    except InvalidInput as error:
        raise ValueError(f"{error.message}, nor a date such as 2026-11-02") from error


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return parse_time(value) if isinstance(value, str) else value


Moment = Annotated[datetime, BeforeValidator(_moment)]
DueDate = Annotated[
    datetime | date,
    BeforeValidator(_day_or_time),
    Field(description="RFC 3339, or a date, which means the last second of that day at the site."),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TaskIn(_Strict):
    """A new task."""

    title: Title
    description: Text = ""
    status: Literal["pending", "in_progress", "blocked"] = "pending"
    priority: PriorityName = "medium"
    category: Category = "general"
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)] = Field(default_factory=list)
    assignee: Person | None = None
    due_date: DueDate | None = None
    estimated_hours: Hours | None = None
    actual_hours: Hours | None = None
    progress: Annotated[int, Field(ge=0, le=100, description="Per cent."), _NUMBER] = 0
    parent_id: TaskId | None = Field(None, description="The task that this one is part of.")
    reminders: Annotated[list[Minutes], Field(max_length=MAX_REMINDERS)] = Field(
        default_factory=lambda: [0],
        description="Minutes before the due date at which `task.due` is published.",
    )
    repeat_rule: RepeatRule | None = None


class TaskChangesIn(_Strict):
    """Changes of a task; an absent field stays as it is, null clears it."""

    # Defaults that no document shows, and that nobody reads: `given` has only what was sent.
    title: Title = Field(default_factory=str)
    description: Text = Field(default_factory=str)
    status: Status = Field(default_factory=lambda: _PENDING)
    priority: PriorityName = Field(default_factory=lambda: _MEDIUM)
    category: Category = Field(default_factory=str)
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)] = Field(default_factory=list)
    assignee: Person | None = None
    due_date: DueDate | None = None
    estimated_hours: Hours | None = None
    actual_hours: Hours | None = None
    progress: Annotated[int, Field(ge=0, le=100), _NUMBER] = Field(default_factory=int)
    parent_id: TaskId | None = None
    reminders: Annotated[list[Minutes], Field(max_length=MAX_REMINDERS)] = Field(
        default_factory=list
    )
    repeat_rule: RepeatRule | None = None

    def given(self) -> dict[str, Any]:
        """Return the fields that the request contains."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class CompletionIn(_Strict):
    """How a task is completed."""

    force: StrictBool = Field(False, description="Also when tasks that it depends on are open.")
    close_incident: StrictBool | None = Field(
        None,
        description="Whether the incident behind it is closed too; left out: yes, if there is one.",
    )


class SourceOut(_Strict):
    """The report that a task was made from."""

    type: Literal["report"] = "report"
    report_id: str
    incident_id: str


class TaskOut(BaseModel):
    """One task."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    version: int
    uid: str
    title: str
    description: str
    status: Status
    priority: PriorityName
    category: str
    tags: list[str]
    created_by: str
    assignee: str | None
    due_date: datetime | None
    estimated_hours: float | None
    actual_hours: float | None
    progress: int
    parent_id: str | None
    reminders: list[int]
    repeat_rule: str | None
    occurrence: Annotated[int, Field(description="Which of a repeated task's, from 1.")]
    next_id: Annotated[str | None, Field(description="The occurrence after this one.")]
    source: SourceOut | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    completed_by: str | None


class SingleTaskOut(BaseModel):
    """One task."""

    task: TaskOut


class CreatedTaskOut(SingleTaskOut):
    """The new task."""

    id: str


class DeletedOut(BaseModel):
    """The row was deleted."""

    success: Literal[True] = True


class TaskCriteria(_Strict):
    """Which tasks, and in which order: what a saved filter holds."""

    status: Annotated[list[Status], Field(max_length=5, description="Any of these.")] = Field(
        default_factory=list
    )
    priority: Annotated[list[PriorityName], Field(max_length=4)] = Field(default_factory=list)
    category: Annotated[str, StringConstraints(max_length=50, pattern=NO_NUL)] | None = None
    tags: Annotated[
        list[Tag], Field(max_length=MAX_TAGS, description="All of these; repeat the parameter.")
    ] = Field(default_factory=list)
    assignee: Person | None = None
    due_before: DueDate | None = Field(None, description="Due before this time or day's end.")
    due_after: DueDate | None = Field(None, description="Due at this time, or later.")
    overdue: StrictBool = Field(False, description="Only open tasks whose due date has passed.")
    search: Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)] | None = Field(
        None,
        description="Words, or parts of words, that are all in title, description, category or "
        "tags. Of a text with over 700 different words the first 700 count.",
    )
    sort: SortKey = Field(
        "created_at", description="Tasks without a due date count as due after all others."
    )
    order: Literal["asc", "desc"] = "desc"


class TaskFilter(TaskCriteria):
    """Which tasks, from where on."""

    # In a query every value is text; in JSON only true and false are booleans.
    overdue: bool = Field(False, description="Only open tasks whose due date has passed.")

    saved: TaskId | None = Field(
        None, description="A saved filter, for everything that this query leaves open."
    )
    cursor: str | None = Field(
        None, max_length=2048, description="`next_cursor` of the page before; `page` is ignored."
    )


class TaskQuery(TaskFilter):
    """The query of the list."""

    page: int = Field(1, ge=1, le=1_000_000)
    limit: int = Field(20, ge=1, le=MAX_LIMIT, description="How many to return.")


class ExportQuery(TaskFilter):
    """The query of an export."""

    format: Literal["csv", "ics"] = "csv"


class TaskPage(BaseModel):
    """One page of tasks."""

    tasks: list[TaskOut]
    total: int
    total_is_exact: Annotated[
        bool,
        Field(
            description="False: there are `total` tasks or more. Words and tags that over 1,000 "
            "tasks have are not counted to the end; `has_next` is always right."
        ),
    ]
    page: int
    limit: int
    total_pages: int
    has_next: bool
    has_prev: bool
    next_cursor: Annotated[
        str | None, Field(description="Where the next page begins, also when tasks come and go.")
    ]


class StatsOut(BaseModel):
    """Counts of the tasks that the caller may see."""

    total: int
    by_status: dict[Status, int]
    by_priority: dict[PriorityName, int]
    completion_rate: Annotated[float, Field(description="Completed of all, 0..1.")]
    overdue: Annotated[int, Field(description="Open and due before now.")]
    average_completion_time_hours: Annotated[
        float | None, Field(description="From creation to completion; null: none is completed.")
    ]


# ---- comments, history, dependencies ----


class CommentIn(_Strict):
    """A new comment."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=NO_NUL)]


class CommentOut(BaseModel):
    """One comment."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    author: str
    text: str
    created_at: datetime


class SingleCommentOut(BaseModel):
    """One comment."""

    comment: CommentOut


class CommentPage(BaseModel):
    """Comments, oldest first."""

    comments: list[CommentOut]
    next_cursor: str | None


class FieldChange(BaseModel):
    """One field, before and after."""

    field: str
    old: Any
    new: Any


class HistoryEntry(BaseModel):
    """One version of a task; the first has no changes."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    changed_by: str
    changed_at: datetime
    changes: list[FieldChange]


class TaskHistoryPage(BaseModel):
    """Versions of a task, the latest first."""

    history: list[HistoryEntry]
    next_cursor: str | None


class DependenciesOut(BaseModel):
    """What a task depends on, and what depends on it, as far as the caller may see."""

    depends_on: list[TaskOut]
    needed_by: list[TaskOut]
    hidden: Annotated[int, Field(description="How many more there are that the caller cannot see.")]


class SubtasksOut(BaseModel):
    """The subtasks of a task, oldest first."""

    subtasks: list[TaskOut]


# ---- many at once ----


class BulkOperation(_Strict):
    """One of many changes."""

    op: Literal["create", "update", "complete", "reopen", "delete"]
    id: TaskId | None = Field(None, description="Which task; not for create.")
    task: TaskIn | None = Field(None, description="For create.")
    changes: TaskChangesIn | None = Field(None, description="For update.")
    version: Annotated[int, Field(ge=1, le=2**31 - 1), _NUMBER] | None = Field(
        None, description="Only if it still has this version."
    )
    force: StrictBool = False
    close_incident: StrictBool | None = None


class BulkIn(_Strict):
    """Up to 100 changes; each succeeds or fails by itself."""

    operations: Annotated[list[BulkOperation], Field(min_length=1, max_length=MAX_BULK)]


class ItemError(BaseModel):
    """Why one item failed."""

    code: str
    message: str


class BulkItem(BaseModel):
    """The result of one operation."""

    index: int
    op: str
    id: str | None
    status: Annotated[int, Field(description="As if it had been a request of its own.")]
    version: int | None = None
    error: ItemError | None = None


class TaskBulkOut(BaseModel):
    """The results of the operations, in their order."""

    succeeded: int
    failed: int
    items: list[BulkItem]


class ImportItem(BaseModel):
    """The result of one imported task."""

    index: Annotated[int, Field(description="Place in the file, from 0.")]
    uid: str | None
    id: str | None
    outcome: Literal["created", "updated", "unchanged", "failed"]
    error: ItemError | None = None


class ImportOut(BaseModel):
    """The result of an import."""

    created: int
    updated: int
    unchanged: int
    failed: int
    items: list[ImportItem]


class SafetyReport(BaseModel):
    """The fields of `safety.report.ready` that a task needs."""

    model_config = ConfigDict(extra="ignore")

    report_id: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]
    incident_id: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]
    camera_id: str
    zone: str | None = None
    classes: list[str] = Field(default_factory=list)
    summary: str = ""
    corrective_actions: list[str] = Field(default_factory=list)
    site_name: str | None = None
    review: str | None = None


class IncidentReview(BaseModel):
    """What a person said of an incident."""

    model_config = ConfigDict(extra="ignore")

    verdict: str


class ReviewedIncident(BaseModel):
    """The fields of `safety.incident.reviewed` that a task needs."""

    model_config = ConfigDict(extra="ignore")

    incident_id: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]
    review: IncidentReview


class ImportedTask(_Strict):
    """One task of a file; validated like one of a request."""

    uid: Annotated[
        str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")
    ]
    task: TaskIn
    status: Status | None = None
    created_at: Moment | None = None
    completed_at: Moment | None = None
