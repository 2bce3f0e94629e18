"""Reports, their e-mails and digests, and the circuit breaker of the language model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("incident_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("camera_id", sa.Text, nullable=False),
        sa.Column("zone", sa.Text),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("first_seen", sa.Text, nullable=False),
        sa.Column("last_seen", sa.Text, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
        sa.Column("narrative", sa.Text, nullable=False),
        sa.Column("narrative_source", sa.Text, nullable=False),
        sa.Column("pdf_key", sa.Text, nullable=False),
        sa.Column("pdf_sha256", sa.Text, nullable=False),
        sa.Column("digest_date", sa.Text),
        sa.Column("digested_at", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
    )
    op.create_index("ix_reports_last_seen_id", "reports", ["last_seen", "id"])
    op.create_index(
        "ix_reports_camera_id_last_seen_id", "reports", ["camera_id", "last_seen", "id"]
    )
    op.create_index("ix_reports_digest_date", "reports", ["digest_date"])
    op.create_table(
        "report_narratives",
        sa.Column("report_id", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("narrative", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_table(
        "report_digests",
        sa.Column("digest_date", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("pdf_key", sa.Text),
        sa.Column("pdf_sha256", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_table(
        "report_emails",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("report_id", sa.Text),
        sa.Column("digest_date", sa.Text),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("accepted", sa.Text, nullable=False),
        sa.Column("refused", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("intended_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("finished_at", sa.Text),
    )
    op.create_index("uq_report_emails_message_id", "report_emails", ["message_id"], unique=True)
    op.create_table(
        "report_circuit_breakers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.Text),
        sa.Column("probe_until", sa.Text),
        sa.Column("updated_at", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "report_circuit_breakers",
        "report_emails",
        "report_digests",
        "report_narratives",
        "reports",
    ):
        op.drop_table(table)
