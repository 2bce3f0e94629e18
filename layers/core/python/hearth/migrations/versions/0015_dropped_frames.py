"""How many frames a camera lost because more came in than could be judged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a default, which DSQL refuses for a new column: null is none yet.
    op.add_column("detection_cameras", sa.Column("dropped", sa.Integer))


def downgrade() -> None:
    op.drop_column("detection_cameras", "dropped")
