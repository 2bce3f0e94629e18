"""What analytics reads from its environment."""

from __future__ import annotations

from pydantic import Field

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Each field is the environment variable of the same name in upper case."""

    event_retention_days: int = Field(default=30, ge=1, le=3650)
    """For how long single events are kept; their roll-ups stay."""
    function_prefix: str = ""
    """What the name of each function begins with in CloudWatch, such as `hearth-`."""
