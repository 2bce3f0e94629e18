"""The environment of analytics."""

from __future__ import annotations

from pydantic import Field

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Core settings, the retention of events and the prefix of function names."""

    event_retention_days: int = Field(default=30, ge=1, le=3650)
    """Days after which single events are deleted; their roll-ups stay."""
    function_prefix: str = ""
    """The prefix of function names in CloudWatch, such as `hearth-`."""
