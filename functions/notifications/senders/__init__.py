"""Sends messages over channels: one module for each protocol, one interface for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from functions.notifications.channels import Channel
from functions.notifications.schemas import MessageContent
from hearth.errors import ServiceError, Unavailable

TIMEOUT_S = 10.0
"""Most seconds for one attempt over HTTP or MQTT, from the name's look-up to the answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send; `id` is the same in each attempt, so the receiver can drop a repeat."""

    id: str
    content: MessageContent
    created_at: datetime
    image: bytes | None = None
    """A JPEG to show with it, on channels that can."""


class ChannelRefused(ServiceError):
    """The receiver refused for good: an address, a credential or a setting is wrong."""

    code: ClassVar[str] = "CHANNEL_REFUSED"
    status: ClassVar[int] = 502


class SlowDown(Unavailable):
    """The receiver asks for a pause of `wait` before the next attempt."""

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message)
        self.wait = wait


class Sender(Protocol):
    def send(self, channel: Channel, message: Message) -> str:
        """Send a message and return the receiver's answer, for people.

        Raises:
            ChannelRefused: A retry would not help.
            SlowDown: The receiver asks for a pause.
            Unavailable: A later retry may help.
        """
