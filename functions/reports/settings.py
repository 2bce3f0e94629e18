"""The environment of reports."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self

from pydantic import SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from hearth.mail import SmtpServer, checked_address
from hearth_llm.settings import LlmSettings


class Settings(LlmSettings):
    """Settings of the queue function; e-mail and the language model are off by default."""

    smtp_url: SecretStr = SecretStr("")
    email_from: str = ""
    email_to: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses; in the environment separated by commas."""
    email_report_mode: Literal["immediate", "daily"] = "immediate"
    daily_report_time: time = time(18, 0)
    """Local time, minutes precise."""

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
        if self.smtp is not None and not (self.email_from and self.email_to):
            raise ValueError("SMTP_URL is set; EMAIL_FROM and EMAIL_TO are needed as well")
        return self

    @property
    def smtp(self) -> SmtpServer | None:
        """The mail server; None when e-mail is off."""
        url = self.smtp_url.get_secret_value()
        return SmtpServer.from_url(url) if url else None
