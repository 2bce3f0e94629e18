"""The environment of auth and its authorizer."""

from __future__ import annotations

from pydantic import Field, SecretStr

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Core settings, the setup token, and the retention of the audit log."""

    setup_token: SecretStr | None = Field(None, min_length=16)
    """Required of the first user; None: only a program of the same machine may register one.
    Long enough that it cannot be guessed from any number of addresses."""
    audit_retention_days: int = Field(365, ge=1, le=36_500)
