"""Events, and their roll-ups by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "analytics_events",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("received_at", sa.Text, nullable=False),
        sa.Column("rolled", sa.Boolean, nullable=False),
    )
    op.create_index(
        "ix_analytics_events_rolled_at", "analytics_events", ["rolled", "at", "event_type"]
    )
    op.create_index(
        "ix_analytics_events_rolled_received_at", "analytics_events", ["rolled", "received_at"]
    )
    op.create_table(
        "analytics_rollups",
        sa.Column("quarter", sa.Text, primary_key=True),
        sa.Column("event_type", sa.Text, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("severity", sa.Text, primary_key=True),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("first_at", sa.Text, nullable=False),
        sa.Column("last_at", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("analytics_rollups")
    op.drop_table("analytics_events")
