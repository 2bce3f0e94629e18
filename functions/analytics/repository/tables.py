"""The tables of analytics."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text

from hearth.db import JsonText, UtcDateTime

metadata = MetaData()

events_table = Table(
    "analytics_events",
    metadata,
    Column("key", Text, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("user_id", Text),
    Column("metadata", JsonText, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("rolled", Boolean, nullable=False),
    Index("ix_analytics_events_rolled_at", "rolled", "at", "event_type"),
    Index("ix_analytics_events_rolled_received_at", "rolled", "received_at"),
)

rollups_table = Table(
    "analytics_rollups",
    metadata,
    Column("quarter", UtcDateTime, primary_key=True),
    Column("event_type", Text, primary_key=True),
    Column("service", Text, primary_key=True),
    Column("severity", Text, primary_key=True),
    Column("events", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)
