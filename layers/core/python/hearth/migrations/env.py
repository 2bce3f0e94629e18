"""Run by Alembic: on which connection, and how, revisions are applied."""

from __future__ import annotations

from alembic import context

from hearth.db import Database
from hearth.migrations.dsql import one_by_one, wait_for_indexes

database: Database = context.config.attributes["database"]

if database.is_dsql:
    with one_by_one(database.engine).connect() as connection:
        context.configure(connection=connection, transactional_ddl=False)
        context.run_migrations()
        wait_for_indexes(connection)
else:
    with database.writer.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
