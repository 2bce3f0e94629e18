"""How many requests each caller has made in the window that it is in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_limits",
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("ends_at", sa.Text, nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
    )
    op.create_index("ix_rate_limits_ends_at", "rate_limits", ["ends_at"])


def downgrade() -> None:
    op.drop_table("rate_limits")
