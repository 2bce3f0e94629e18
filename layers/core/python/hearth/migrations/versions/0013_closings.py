"""What tasks told of their incidents: from it follows whether an incident is closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hearth.db import insert_for

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_AT_ONCE = 1_000
"""Aurora DSQL takes 3,000 rows in a transaction."""


def upgrade() -> None:
    closings = op.create_table(
        "detection_closings",
        sa.Column("incident_id", sa.Text, primary_key=True),
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, primary_key=True),
        sa.Column("reopened", sa.Boolean, primary_key=True),
    )
    tx = op.get_bind()
    i = sa.table("detection_incidents", *map(sa.column, ("id", "closed_at", "closed_by_task"))).c
    # On Aurora DSQL a revision that was cut off is run again.
    insert = insert_for(tx.dialect.name)(closings).on_conflict_do_nothing()
    after = ""
    closed = sa.select(i.id, i.closed_by_task, i.closed_at).where(i.closed_at.is_not(None))
    while rows := tx.execute(closed.where(i.id > after).order_by(i.id).limit(_AT_ONCE)).all():
        tx.execute(
            insert,
            [
                {"incident_id": row[0], "task_id": row[1], "at": row[2], "reopened": False}
                for row in rows
            ],
        )
        after = rows[-1][0]


def downgrade() -> None:
    op.drop_table("detection_closings")
