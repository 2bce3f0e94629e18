"""What incidents continue, their alerts and reviews, and cameras that fell silent.

All columns may be null: rows of the release before know none of it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

INCIDENTS = ("continuation_of", "alert_evidence", "review", "reviewed_at")
CAMERAS = ("received_at", "silent_since", "presence_key")
REPORTS = ("clip_key", "review", "review_reason", "reviewed_by", "reviewed_at")
COUNTS = ("continuations", "persons_seen")


def upgrade() -> None:
    for name in INCIDENTS:
        op.add_column("detection_incidents", sa.Column(name, sa.Text))
    op.create_index(
        "ix_detection_incidents_continuation_of", "detection_incidents", ["continuation_of"]
    )
    for name in CAMERAS:
        op.add_column("detection_cameras", sa.Column(name, sa.Text))
    op.create_table(
        "detection_reviews",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("reviewed_by", sa.Text, nullable=False),
        sa.Column("reviewed_at", sa.Text, nullable=False),
    )
    op.create_index("ix_detection_reviews_incident_id", "detection_reviews", ["incident_id"])
    for name in REPORTS:
        op.add_column("reports", sa.Column(name, sa.Text))
    for name in COUNTS:
        op.add_column("reports", sa.Column(name, sa.Integer))


def downgrade() -> None:
    for name in (*COUNTS, *REPORTS):
        op.drop_column("reports", name)
    op.drop_table("detection_reviews")
    for name in CAMERAS:
        op.drop_column("detection_cameras", name)
    op.drop_index("ix_detection_incidents_continuation_of", table_name="detection_incidents")
    for name in INCIDENTS:
        op.drop_column("detection_incidents", name)
