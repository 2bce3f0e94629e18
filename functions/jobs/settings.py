"""What the jobs API reads from its environment."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """The database and the queues are all it needs."""
