"""How a message goes over a channel: one module for each way, one interface for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from functions.notifications.channels import Channel
from functions.notifications.schemas import MessageContent
from hearth.errors import ServiceError, Unavailable

TIMEOUT_S = 10.0
"""Most seconds for one attempt over HTTP or MQTT, from the look-up of the name to the answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent; `id` is the same for each attempt, so the other side can drop a second one."""

    id: str
    content: MessageContent
    created_at: datetime


class ChannelRefused(ServiceError):
    """The other side said no for good: an address, a credential or a setting is wrong."""

    code: ClassVar[str] = "CHANNEL_REFUSED"
    status: ClassVar[int] = 502


class SlowDown(Unavailable):
    """The other side asks to be left alone for a while.

    Args:
        message: One sentence.
        wait: For how long.
    """

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message)
        self.wait = wait


class Sender(Protocol):
    def send(self, channel: Channel, message: Message) -> str:
        """Hand a message over; the answer is what the other side said, for people.

        Raises:
            ChannelRefused: No retry helps.
            SlowDown: Not before a while has passed.
            Unavailable: A later retry may help.
        """
