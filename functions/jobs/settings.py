"""The environment of the jobs API."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Core settings; the jobs API has none of its own."""
