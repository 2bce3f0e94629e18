"""What clustering reads from its environment."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """The database, the bucket and the queues are all it needs."""
