"""Query and response models of the jobs API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hearth.http.query import PageQuery
from hearth.ledger.ledger import JobState

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text cannot contain NUL."""


class JobQuery(PageQuery):
    """Query of the list of jobs."""

    model_config = ConfigDict(extra="forbid")

    state: JobState | None = Field(None, description="Only jobs in this state.")
    kind: str | None = Field(
        None, max_length=200, pattern=NO_NUL, description="Only jobs of this kind."
    )


class SummaryQuery(BaseModel):
    """Query of the summary."""

    model_config = ConfigDict(extra="forbid")

    dedupe_prefix: str | None = Field(
        None,
        max_length=1100,
        pattern=NO_NUL,
        description="Only jobs whose dedupe key begins so, such as `frame:frames/gate/`.",
    )


class JobErrorOut(BaseModel):
    """The error of the last attempt."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    message: str
    details: list[dict[str, Any]]


class JobOut(BaseModel):
    """One job of the ledger. Times are RFC 3339 in UTC; `progress` is 0..1."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    queue: str
    dedupe_key: str
    payload: dict[str, Any]
    state: JobState
    attempts: int
    max_attempts: int
    available_at: datetime
    lease_until: datetime | None
    progress: float
    error: JobErrorOut | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class JobPage(BaseModel):
    """List jobs, newest first."""

    jobs: list[JobOut]
    next_cursor: Annotated[str | None, Field(description="None: this is the last page.")]


class SummaryOut(BaseModel):
    """The number of jobs by kind and state."""

    jobs: Annotated[
        dict[str, dict[JobState, int]],
        Field(description="Kind → state → number; zeros are left out."),
    ]
    open: Annotated[int, Field(description="Queued or running.")]
    failed: int
    oldest_open_seconds: Annotated[
        float | None, Field(description="Age of the oldest open job; None when none is open.")
    ]
