"""What `${name}` reads from its environment."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """The platform's settings; add a field for each variable of the template's block."""
