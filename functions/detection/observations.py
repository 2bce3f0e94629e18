"""What was seen on a frame and counts towards an incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, order=True)
class Observation:
    """One person who breaks one rule on one frame; `score` is 0..1."""

    captured_at: datetime
    frame_key: str
    person: int
    class_name: str
    score: float
