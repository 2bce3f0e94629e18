"""How far the sweep has looked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sweep_watermarks",
        sa.Column("camera_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
    )
    op.create_table(
        "sweep_listings",
        sa.Column("prefix", sa.Text, primary_key=True),
        sa.Column("after_key", sa.Text, nullable=False),
        sa.Column("started_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
    )


def downgrade() -> None:
    op.drop_table("sweep_listings")
    op.drop_table("sweep_watermarks")
