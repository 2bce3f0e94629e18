"""The environment of the sweep."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from hearth.retention import Retention
from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Core settings, the grace time and the retentions."""

    notification_grace_s: float = Field(default=15, ge=0, le=600)
    """Seconds that an upload's own notification may take before the sweep adds its job."""
    frame_retention_days: int = Field(default=3, ge=1)
    """Days after which the bucket expires frames; their jobs are deleted two days later."""
    record_retention_days: int = Field(default=90, ge=1)
    """Days after which done jobs of events are deleted."""

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.notification_grace_s)

    @property
    def retention(self) -> Retention:
        return Retention(self.frame_retention_days, self.record_retention_days)
