"""Stored content of messages, payloads of jobs, and models of the notifications API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from hearth.http.query import PageQuery
from hearth.ids import ULID_PATTERN

Ulid = Annotated[str, StringConstraints(pattern=f"^{ULID_PATTERN}$")]
ChannelName = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]
DeliveryState = Literal["suppressed", "waiting", "queued", "sent", "failed"]
MessageState = Literal["queued", "sent", "failed"]
Outcome = Literal["begun", "sent", "deferred", "refused"]


class EventSummary(BaseModel):
    """One event in a message."""

    model_config = ConfigDict(frozen=True)

    type: str
    id: str
    subject: str
    time: datetime
    title: str
    lines: tuple[str, ...]
    details: dict[str, Any]


class MessageContent(BaseModel):
    """Everything that a message's bytes are made of besides its id, so that attempts are identical.

    `events` are the first of the `total` events; more than one make a digest. They are stored as
    `told`, which releases before this one read.
    """

    model_config = ConfigDict(frozen=True)

    title: str
    total: int
    quiet: bool = False
    """Whether it rings nowhere, on channels that know the difference."""
    image_key: str | None = None
    events: tuple[EventSummary, ...] = Field(
        validation_alias=AliasChoices("events", "told"), serialization_alias="told"
    )


class SendJob(BaseModel):
    """Payload of `notifications.send`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    message_id: Ulid


class DigestJob(BaseModel):
    """Payload of `notifications.digest`: the channel, and when its digest is due."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: ChannelName
    until: datetime


class NotificationQuery(PageQuery):
    """Query of the list of notifications."""

    model_config = ConfigDict(extra="forbid")

    type: str | None = Field(
        None, max_length=100, pattern=r"^[^\x00]*$", description="Only of this type of event."
    )


class AttemptOut(BaseModel):
    """One attempt to send a message; `begun` means that its end was not recorded."""

    number: int
    began_at: datetime
    ended_at: datetime | None
    outcome: Outcome
    detail: str


class DeliveryOut(BaseModel):
    """The state of a notification on one channel.

    `suppressed`: not sent, for the reason in `reason`. `waiting`: until `not_before`, because of
    `reason`. Then the state of the message that carried it, alone or with others (`in_digest`).
    """

    channel: str
    state: DeliveryState
    reason: str | None
    not_before: datetime | None
    message_id: str | None
    in_digest: bool
    error: str | None
    sent_at: datetime | None
    attempts: list[AttemptOut]


class NotificationOut(BaseModel):
    """One event that a channel wants, with its deliveries."""

    id: str
    type: str
    subject: str
    title: str
    lines: list[str]
    details: dict[str, Any]
    occurred_at: datetime
    created_at: datetime
    deliveries: list[DeliveryOut]


class NotificationPage(BaseModel):
    """Notifications, newest event first."""

    notifications: list[NotificationOut]
    next_cursor: Annotated[str | None, Field(description="None: this is the last page.")]


class ChannelOut(BaseModel):
    """A channel without its secrets."""

    name: str
    kind: Literal["mail", "mqtt", "slack", "discord", "webhook"]
    host: str
    events: list[str]
    urgent: list[str]
    enabled: bool = True
    id: Annotated[
        str | None, Field(description="Null: one of `NOTIFICATION_CHANNELS`, which is fixed.")
    ] = None
    version: int | None = None


class ChannelsOut(BaseModel):
    channels: list[ChannelOut]


class SendTestIn(BaseModel):
    """The channel to test; null tests all."""

    model_config = ConfigDict(extra="forbid")

    channel: ChannelName | None = None
