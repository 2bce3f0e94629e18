"""What the sweep reads from its environment."""

from __future__ import annotations

from pydantic import Field

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Each field is the environment variable of the same name in upper case."""

    notification_grace_s: float = Field(default=15, ge=0, le=600)
    """How long an upload's own notification may take before the sweep makes its job; seconds."""
