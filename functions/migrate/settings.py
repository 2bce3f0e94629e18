"""What the migration reads from its environment."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """`DATABASE_URL` is all it needs."""
