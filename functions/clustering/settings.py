"""The environment of clustering."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Core settings; clustering has none of its own."""
