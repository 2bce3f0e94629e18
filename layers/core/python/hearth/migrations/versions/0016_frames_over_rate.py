"""How many frames a camera lost because it sent more than the policy allows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a default, which DSQL refuses for a new column: null is none yet.
    op.add_column("detection_cameras", sa.Column("over_rate", sa.Integer))


def downgrade() -> None:
    op.drop_column("detection_cameras", "over_rate")
