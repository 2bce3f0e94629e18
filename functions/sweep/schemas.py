"""What a sweep answers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel


class SweepReport(BaseModel):
    """Counts of one run; each is also a metric."""

    expired: int = 0
    """Jobs failed because their worker died in the last attempt."""
    resent: int = 0
    """Jobs whose hint was sent again."""
    pruned: int = 0
    """Old jobs deleted: done, and their frames expired."""
    cameras: int = 0
    """Cameras whose newest frames were listed."""
    listed: int = 0
    """Keys under `frames/` that were looked at."""
    found: int = 0
    """Frames without a job; each has one now."""
    unreadable: int = 0
    """Keys under `frames/` that name no frame; left alone."""
    full_listing: Literal["idle", "running", "finished"] = "idle"
    """The daily look at every key: not due, to be continued next time, or just ended."""
    out_of_time: bool = False
    """Whether the deadline left work for the next run."""
    listing_error: str | None = None
    """Why the bucket could not be listed to the end; the jobs above were swept all the same."""
