"""The environment of the migration."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Core settings; the migration uses `DATABASE_URL` alone."""
