"""The tables of clustering."""

from __future__ import annotations

from sqlalchemy import Column, Index, MetaData, Table, Text

from hearth.db import JsonText, UtcDateTime

metadata = MetaData()

models_table = Table(
    "clustering_models",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("manifest", JsonText, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_clustering_models_name_id", "name", "id"),
)

promotions_table = Table(
    "clustering_promotions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("model_id", Text, nullable=False),
    Column("promoted_at", UtcDateTime, nullable=False),
    Column("promoted_by", Text, nullable=False),
    Column("withdrawn_at", UtcDateTime),
    Column("withdrawn_by", Text),
    Index("ix_clustering_promotions_name_id", "name", "id"),
    Index("ix_clustering_promotions_model_id", "model_id"),
)

cancellations_table = Table(
    "clustering_cancellations",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("requested_by", Text, nullable=False),
)
