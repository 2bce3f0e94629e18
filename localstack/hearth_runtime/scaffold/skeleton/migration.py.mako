"""The table of `${name}`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "${revision}"
down_revision = "${down_revision}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "${table}",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
    )
    op.create_index("ix_${table}_created_at", "${table}", ["owner_id", "created_at", "id"])
    op.create_index("uq_${table}_name", "${table}", ["owner_id", "name"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_${table}_name", "${table}")
    op.drop_index("ix_${table}_created_at", "${table}")
    op.drop_table("${table}")
