"""Saved models, the names that stand for them, and jobs that are to stop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clustering_models",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_index("ix_clustering_models_name_id", "clustering_models", ["name", "id"])
    op.create_table(
        "clustering_promotions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text, nullable=False),
        sa.Column("promoted_at", sa.Text, nullable=False),
        sa.Column("promoted_by", sa.Text, nullable=False),
        sa.Column("withdrawn_at", sa.Text),
        sa.Column("withdrawn_by", sa.Text),
    )
    op.create_index("ix_clustering_promotions_name_id", "clustering_promotions", ["name", "id"])
    op.create_index("ix_clustering_promotions_model_id", "clustering_promotions", ["model_id"])
    op.create_table(
        "clustering_cancellations",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("requested_at", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("clustering_cancellations")
    op.drop_index("ix_clustering_promotions_model_id", "clustering_promotions")
    op.drop_index("ix_clustering_promotions_name_id", "clustering_promotions")
    op.drop_table("clustering_promotions")
    op.drop_index("ix_clustering_models_name_id", "clustering_models")
    op.drop_table("clustering_models")
