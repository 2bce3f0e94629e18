"""Environment of the functions of `tasks`."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """The database, the queues and the site's time zone."""
