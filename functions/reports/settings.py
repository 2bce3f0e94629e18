"""What `reports` reads from its environment."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from hearth.mail import SmtpServer, checked_address
from hearth.settings import CoreSettings

BEDROCK = "bedrock"


class Settings(CoreSettings):
    """Core settings and those of reports; e-mail and the language model are off by default."""

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
        return checked_address(address) if address else address

    @field_validator("email_to")
    @classmethod
    def _recipients(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(checked_address(address) for address in addresses))

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
