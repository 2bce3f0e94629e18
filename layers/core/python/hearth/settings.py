"""What every function reads from its environment."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class CoreSettings(BaseSettings):
    """The environment as one validated value; functions subclass it.

    Each field is the environment variable of the same name in upper case. An empty variable
    means the default, because a template passes its empty parameters on as "".
    """

    # An error at start-up goes to the log, and the input may hold a password.
    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    database_url: str
    """`sqlite:////absolute/path` or `postgresql://user:password@host/name`."""
    database_pool: int = Field(1, ge=1, le=20)
    """Connections to PostgreSQL that one process holds at most."""
    bucket: str = ""
    queue_prefix: str = ""
    """What the name of each queue begins with, such as `hearth-`: the stack's name."""
    requests_per_minute: int = Field(600, ge=1)
    """Of one user, API key or anonymous address; what is asked over HTTP."""
    timezone: str = "UTC"
    """IANA name of the site's time zone."""

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"{name!r} is not an IANA time zone; use a name such as Europe/Berlin"
            ) from error
        return name


class AwsSettings(BaseSettings):
    """Where AWS answers. Both empty means AWS itself."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    aws_endpoint_url: str | None = None
    localstack_host: str | None = None
    """`host` or `host:port`; read by localstack-client's rule."""
    aws_region: str | None = None
    aws_default_region: str = "us-east-1"
