"""Saved filters of tasks, and channels of notifications that are rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "task_saved_filters",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_task_saved_filters_created_at",
        "task_saved_filters",
        ["owner_id", "created_at", "id"],
    )
    op.create_index(
        "uq_task_saved_filters_name", "task_saved_filters", ["owner_id", "name"], unique=True
    )
    op.create_table(
        "notification_stored_channels",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("urgent", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_notification_stored_channels_created_at",
        "notification_stored_channels",
        ["created_at", "id"],
    )
    op.create_index(
        "uq_notification_stored_channels_name",
        "notification_stored_channels",
        ["name"],
        unique=True,
    )


def downgrade() -> None:
    op.drop_index("uq_notification_stored_channels_name", "notification_stored_channels")
    op.drop_index("ix_notification_stored_channels_created_at", "notification_stored_channels")
    op.drop_table("notification_stored_channels")
    op.drop_index("uq_task_saved_filters_name", "task_saved_filters")
    op.drop_index("ix_task_saved_filters_created_at", "task_saved_filters")
    op.drop_table("task_saved_filters")
