"""The report of a sweep."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class SweepReport(BaseModel):
    """Counts of one run; each is also a metric."""

    expired: int = 0
    """Jobs that failed because their worker died in the last attempt."""
    resent: int = 0
    """Jobs that were announced again."""
    pruned: int = 0
    """Old jobs that were deleted."""
    cameras: int = 0
    """Cameras whose newest frames were listed."""
    listed: int = 0
    """Keys under `frames/` that were examined."""
    found: int = 0
    """Frames without a job, for which one was added."""
    unreadable: int = 0
    """Keys under `frames/` that are not those of frames."""
    full_listing: Literal["idle", "running", "finished"] = "idle"
    """The daily listing of every key: not due, to be continued, or just finished."""
    out_of_time: bool = False
    """Whether the deadline left work for the next run."""
    listing_error: str | None = None
    """Why the bucket could not be listed to the end; the jobs above were swept nevertheless."""
