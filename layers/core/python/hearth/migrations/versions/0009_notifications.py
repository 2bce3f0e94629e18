"""Notifications, and each attempt to deliver one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("for_everybody", sa.Boolean, nullable=False),
        sa.Column("person", sa.Text),
        sa.Column("second_person", sa.Text),
        sa.Column("occurred_at", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("ix_notifications_event_type_id", "notifications", ["event_type", "id"])
    op.create_table(
        "notification_deliveries",
        sa.Column("notification_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("not_before", sa.Text),
        sa.Column("message_id", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_notification_deliveries_waiting",
        "notification_deliveries",
        ["channel", "state", "not_before"],
    )
    op.create_table(
        "notification_messages",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("carries", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
    )
    op.create_table(
        "notification_attempts",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("began_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "notification_channels",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("window_began_at", sa.Text, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("changes", sa.Integer, nullable=False),
    )
    op.create_table(
        "notification_topics",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("told_at", sa.Text, nullable=False),
    )
    op.create_index("ix_notification_topics_told_at", "notification_topics", ["channel", "told_at"])


def downgrade() -> None:
    op.drop_index("ix_notification_topics_told_at", "notification_topics")
    op.drop_table("notification_topics")
    op.drop_table("notification_channels")
    op.drop_table("notification_attempts")
    op.drop_table("notification_messages")
    op.drop_index("ix_notification_deliveries_waiting", "notification_deliveries")
    op.drop_table("notification_deliveries")
    op.drop_index("ix_notifications_event_type_id", "notifications")
    op.drop_table("notifications")
