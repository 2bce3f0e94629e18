"""Cameras that the stack watches by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "detection_camera_sources",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("rate", sa.Float),
        sa.Column("region", sa.Text),
        sa.Column("policy", sa.Text),
        sa.Column("enabled", sa.Boolean, nullable=False),
    )
    op.create_index(
        "ix_detection_camera_sources_created_at", "detection_camera_sources", ["created_at", "id"]
    )
    op.create_index(
        "uq_detection_camera_sources_name", "detection_camera_sources", ["name"], unique=True
    )


def downgrade() -> None:
    op.drop_table("detection_camera_sources")
