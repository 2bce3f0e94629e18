"""Run by Alembic: on which connection, and how, revisions are applied."""

from __future__ import annotations

from alembic import context

from hearth.db import Database

database: Database = context.config.attributes["database"]

with database.writer.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
