"""Cameras, frames, observations and incidents of `detection`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "detection_cameras",
        sa.Column("camera_id", sa.Text, primary_key=True),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("frames_with_person", sa.Integer, nullable=False),
        sa.Column("compliant", sa.Integer, nullable=False),
        sa.Column("violation", sa.Integer, nullable=False),
        sa.Column("indeterminate", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("first_frame_at", sa.Text),
        sa.Column("last_frame_at", sa.Text),
        sa.Column("ended_at", sa.Text),
        sa.Column("model_id", sa.Text),
        sa.Column("changes", sa.Integer, nullable=False),
    )
    op.create_table(
        "detection_frames",
        sa.Column("frame_key", sa.Text, primary_key=True),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("captured_at", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("persons", sa.Integer, nullable=False),
        sa.Column("compliant", sa.Integer, nullable=False),
        sa.Column("violation", sa.Integer, nullable=False),
        sa.Column("indeterminate", sa.Integer, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("model_id", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("processed_at", sa.Text, nullable=False),
    )
    op.create_table(
        "detection_observations",
        sa.Column("frame_key", sa.Text, primary_key=True),
        sa.Column("zone", sa.Text, primary_key=True),
        sa.Column("class_name", sa.Text, primary_key=True),
        sa.Column("person", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("captured_at", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
    )
    op.create_table(
        "detection_incidents",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text, nullable=False),
        sa.Column("first_frame_key", sa.Text, nullable=False),
        sa.Column("last_frame_key", sa.Text, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("persons_max", sa.Integer, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
        sa.Column("peak_frame_key", sa.Text, nullable=False),
        sa.Column("continues", sa.Boolean, nullable=False),
        sa.Column("end_reason", sa.Text),
        sa.Column("evidence", sa.Text),
        sa.Column("superseded_by", sa.Text),
        sa.Column("watch_key", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_detection_incidents_place", "detection_incidents", ["camera_id", "zone", "first_seen"]
    )
    op.create_index("ix_detection_incidents_state", "detection_incidents", ["camera_id", "state"])
    op.create_table(
        "detection_models",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("detection_models")
    op.drop_table("detection_incidents")
    op.drop_table("detection_observations")
    op.drop_table("detection_frames")
    op.drop_table("detection_cameras")
