"""What `auth` and its authorizer read from their environment."""

from __future__ import annotations

from pydantic import Field, SecretStr

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Apart from the database what lets the first user in, and how long the audit log goes back."""

    setup_token: SecretStr | None = Field(None, min_length=16)
    """What the first user must show; None: only a program of the same machine may register one.
    Long enough that nobody guesses it from as many addresses as they like."""
    audit_retention_days: int = Field(365, ge=1, le=36_500)
