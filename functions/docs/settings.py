"""What the docs function could read from its environment."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """It needs none of it: all it says is in the image."""
