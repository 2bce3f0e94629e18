"""Which task corrects which incident and report, and when an incident was closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("detection_incidents", sa.Column("closed_at", sa.Text))
    op.add_column("detection_incidents", sa.Column("closed_by_task", sa.Text))
    op.add_column("reports", sa.Column("task_id", sa.Text))


def downgrade() -> None:
    op.drop_column("reports", "task_id")
    for column in ("closed_by_task", "closed_at"):
        op.drop_column("detection_incidents", column)
