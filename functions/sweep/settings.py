"""What the sweep reads from its environment."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from hearth.retention import Retention
from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Each field is the environment variable of the same name in upper case."""

    notification_grace_s: float = Field(default=15, ge=0, le=600)
    """How long an upload's own notification may take before the sweep makes its job; seconds."""
    frame_retention_days: int = Field(default=3, ge=1)
    """After how many days the bucket expires frames; their jobs go two days later."""
    record_retention_days: int = Field(default=90, ge=1)
    """After how many days done jobs of events go."""

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.notification_grace_s)

    @property
    def retention(self) -> Retention:
        return Retention(self.frame_retention_days, self.record_retention_days)
