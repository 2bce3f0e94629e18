"""The environment of notifications."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from functions.notifications.channels import Channel, parse_channels
from functions.notifications.quiet_hours import QuietHours
from hearth.mail import SmtpServer, checked_address
from hearth.settings import CoreSettings


class ApiSettings(CoreSettings):
    """Settings of the API, which lists channels and sends nothing."""

    notification_channels: SecretStr = SecretStr("")
    """Addresses separated by spaces, see `channels`."""

    @field_validator("notification_channels")
    @classmethod
    def _readable(cls, text: SecretStr) -> SecretStr:
        parse_channels(text.get_secret_value())
        return text

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        return parse_channels(self.notification_channels.get_secret_value())


class Settings(ApiSettings):
    """Settings of the queue function."""

    smtp_url: SecretStr = SecretStr("")
    email_from: str = ""
    quiet_hours: str = ""
    notification_cooldown_minutes: float = Field(15, ge=0, le=10_080)
    notification_burst: int = Field(30, ge=1, le=1_000)
    """Most messages of one channel in an hour; what exceeds it waits and becomes one digest."""
    site_name: str = Field("", max_length=200)
    record_retention_days: int = Field(90, ge=1, le=36_500)
    """Age at which notifications are deleted, days."""

    @field_validator("email_from")
    @classmethod
    def _sender(cls, address: str) -> str:
        return checked_address(address) if address else address

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _ = self.smtp, self.quiet
        if any(channel.kind == "mail" for channel in self.channels) and not (
            self.smtp and self.email_from
        ):
            raise ValueError(
                "NOTIFICATION_CHANNELS names a mailto: address; SMTP_URL and EMAIL_FROM are "
                "needed as well"
            )
        return self

    @property
    def smtp(self) -> SmtpServer | None:
        """The mail server, if e-mail is configured."""
        url = self.smtp_url.get_secret_value()
        return SmtpServer.from_url(url) if url else None

    @property
    def quiet(self) -> QuietHours | None:
        """The quiet hours, if any are configured."""
        zone = ZoneInfo(self.timezone)
        return QuietHours.parse(self.quiet_hours, zone) if self.quiet_hours else None

    @property
    def record_retention(self) -> timedelta:
        return timedelta(days=self.record_retention_days)

    @property
    def cooldown(self) -> timedelta:
        return timedelta(minutes=self.notification_cooldown_minutes)
