"""The tables of notifications."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text

from hearth.db import JsonText, UtcDateTime

metadata = MetaData()

notifications = Table(
    "notifications",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("lines", JsonText, nullable=False),
    Column("details", JsonText, nullable=False),
    # A notification concerns everybody, or at most two users.
    Column("for_everybody", Boolean, nullable=False),
    Column("person", Text),
    Column("second_person", Text),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_notifications_event_type_id", "event_type", "id"),
)
"""One row an event that some channel wants; the id is derived from the event, sorted by time."""

deliveries = Table(
    "notification_deliveries",
    metadata,
    Column("notification_id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("not_before", UtcDateTime),
    Column("message_id", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_notification_deliveries_waiting", "channel", "state", "not_before"),
)
"""The decision for each channel: `suppressed`, `waiting`, or `sent` with a message."""

messages = Table(
    "notification_messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("content", JsonText, nullable=False),
    Column("carries", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
)
"""Messages, and how many notifications each carries: `queued`, then `sent` or `failed`."""

attempts = Table(
    "notification_attempts",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

channels = Table(
    "notification_channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("window_began_at", UtcDateTime, nullable=False),
    Column("told", Integer, nullable=False),
    Column("changes", Integer, nullable=False),
)
"""How many messages a channel received since its window began."""

topics = Table(
    "notification_topics",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
    Index("ix_notification_topics_told_at", "channel", "told_at"),
)
"""The topics that a channel received within the cooldown."""
