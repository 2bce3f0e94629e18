"""The environment of the docs function."""

from __future__ import annotations

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Core settings; the docs function uses none of them."""
