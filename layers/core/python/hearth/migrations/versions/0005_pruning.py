"""How far old frames were deleted, and which incidents cannot be recomputed any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("detection_cameras", sa.Column("pruned_at", sa.Text))
    op.add_column("detection_cameras", sa.Column("prune_cursor", sa.Text))
    op.add_column("detection_cameras", sa.Column("pruned_until", sa.Text))
    op.add_column("detection_incidents", sa.Column("pruned_at", sa.Text))
    op.create_index(
        "ix_detection_incidents_pruned", "detection_incidents", ["camera_id", "pruned_at"]
    )
    op.create_index("ix_detection_incidents_peak", "detection_incidents", ["peak_frame_key"])


def downgrade() -> None:
    op.drop_index("ix_detection_incidents_peak", "detection_incidents")
    op.drop_index("ix_detection_incidents_pruned", "detection_incidents")
    op.drop_column("detection_incidents", "pruned_at")
    for column in ("pruned_until", "prune_cursor", "pruned_at"):
        op.drop_column("detection_cameras", column)
