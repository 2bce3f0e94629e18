"""What `reports` reads from its environment."""

from __future__ import annotations

from datetime import time
from email.errors import MessageError
from email.headerregistry import Address
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from hearth.settings import CoreSettings

BEDROCK = "bedrock"
_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class SmtpServer(BaseModel):
    """Where e-mail is handed over, and how the connection is protected.

    `smtp` uses STARTTLS where the server offers it, unless the server is this very machine;
    `smtp+starttls` insists on it; `smtps` is TLS from the first byte. Certificates are verified.
    """

    model_config = ConfigDict(frozen=True)

    scheme: Literal["smtp", "smtp+starttls", "smtps"]
    host: str
    port: int
    user: str = ""
    password: SecretStr = SecretStr("")

    @classmethod
    def from_url(cls, url: str) -> SmtpServer:
        """Read `smtp://user:password@host:port`.

        Raises:
            ValueError: Not such a URL; the message never holds the password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError("SMTP_URL is not a URL; use smtp://user:password@host:587") from error
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
            raise ValueError(
                f"SMTP_URL has scheme {parts.scheme!r} and host {parts.hostname!r}; use "
                "smtp://, smtp+starttls:// or smtps:// and a host"
            )
        return cls.model_validate(
            {
                "scheme": parts.scheme,
                "host": parts.hostname,
                "port": port or _DEFAULT_PORTS[parts.scheme],
                "user": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
            }
        )


class Settings(CoreSettings):
    """Core settings and those of reports; e-mail and the language model are off by default."""

    # An error at start-up goes to the log, and the input holds a password and a key.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    llm_base_url: str = ""
    """OpenAI-compatible endpoint up to `/v1`, or `bedrock`."""
    llm_model: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_temperature: float = Field(0.3, ge=0, le=2)
    llm_budget_s: float = Field(20.0, gt=0, le=50)
    """Most seconds for one narrative, retries included."""
    smtp_url: SecretStr = SecretStr("")
    email_from: str = ""
    email_to: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses; in the environment separated by commas."""
    email_report_mode: Literal["immediate", "daily"] = "immediate"
    daily_report_time: time = time(18, 0)
    """Local time, minutes precise."""

    @field_validator("llm_base_url")
    @classmethod
    def _endpoint(cls, url: str) -> str:
        if url and url != BEDROCK:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    f"LLM_BASE_URL {url[:80]!r} is neither bedrock nor an http(s) URL such as "
                    "https://api.openai.com/v1"
                )
        return url

    @field_validator("email_to", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("email_from")
    @classmethod
    def _sender(cls, address: str) -> str:
        return _checked(address) if address else address

    @field_validator("email_to")
    @classmethod
    def _recipients(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_checked(address) for address in addresses))

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.llm_base_url and not self.llm_model:
            raise ValueError("LLM_BASE_URL is set but LLM_MODEL is not; name the model")
        if self.smtp is not None and not (self.email_from and self.email_to):
            raise ValueError("SMTP_URL is set; EMAIL_FROM and EMAIL_TO are needed as well")
        return self

    @property
    def smtp(self) -> SmtpServer | None:
        """The server, or None where e-mail is off."""
        url = self.smtp_url.get_secret_value()
        return SmtpServer.from_url(url) if url else None


def _checked(address: str) -> str:
    """A bare ASCII address without anything that could end a header line."""
    try:
        parsed = Address(addr_spec=address)
        well_formed = bool(parsed.username and parsed.domain) and address.isascii()
    except (MessageError, ValueError, IndexError):
        well_formed = False
    if not well_formed or not address.isprintable() or " " in address:
        raise ValueError(
            f"{address[:80]!r} is not an e-mail address; use the form name@example.org "
            "(international domains as xn--…)"
        )
    return address
