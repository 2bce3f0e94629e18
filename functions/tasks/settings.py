"""What `tasks` reads from its environment."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """The database, the queues, the subscribers and the time zone are all it needs."""
