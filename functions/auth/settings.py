"""What `auth` and its authorizer read from their environment."""

from __future__ import annotations

from pydantic import Field, SecretStr

from hearth.settings import CoreSettings


class Settings(CoreSettings):
    """Apart from the database only what lets the first user in."""

    setup_token: SecretStr | None = Field(None, min_length=16)
    """What the first user must show; None: only a program of the same machine may register one.
    Long enough that nobody guesses it from as many addresses as they like."""
