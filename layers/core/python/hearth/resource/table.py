"""The table of a resource, and the two that all resources share."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, Index, Integer, MetaData, Table, Text

from hearth.db import Database, JsonText, UtcDateTime
from hearth.resource import declaration as declared
from hearth.resource.declaration import Resource

metadata = MetaData()

changes = Table(
    "resource_changes",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("row_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("action", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changes", JsonText, nullable=False),
    Index("ix_resource_changes_changed_at", "changed_at"),
)
"""Who changed or deleted what, when. That a row was created is told by the row itself."""

secrets = Table(
    "resource_secrets",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("row_id", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Secret fields, apart from the rows, so that no query of a row can answer one by mistake."""

_TYPES: dict[type[declared.Field], Any] = {
    declared.Text: Text,
    declared.Choice: Text,
    declared.Integer: Integer,
    declared.Number: Float,
    declared.Boolean: Boolean,
    declared.Time: UtcDateTime,
    declared.Json: JsonText,
}


@cache
def table_of(resource: Resource) -> Table:
    """The table of a resource, with its indexes; in a MetaData of its own."""
    in_scope = ("owner_id",) if resource.scope == "owner" else ()
    columns = [
        Column(
            field.name,
            _TYPES[type(field)],
            primary_key=field.name == "id",
            nullable=field.nullable,
        )
        for field in resource.stored
    ]
    indexes = [Index(f"ix_{resource.table}_created_at", *in_scope, "created_at", "id")]
    if resource.key is not None:
        name = f"uq_{resource.table}_{resource.key.name}"
        indexes.append(Index(name, *in_scope, resource.key.name, unique=True))
    return Table(resource.table, MetaData(), *columns, *indexes)


def create_missing(db: Database, resource: Resource) -> None:
    """Create the table where it does not exist: for plugins, which have no migrations."""
    db.write(table_of(resource).metadata.create_all)


def schema_differences(tx: Connection, resource: Resource) -> list[object]:
    """How the database's table differs from the declared one; empty after the right migration."""
    # Alembic is for migrations and tests: no request pays for its import.
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    table = table_of(resource)
    options = {
        "include_name": lambda name, kind, _: kind != "table" or name == table.name,
        "compare_type": True,
    }
    context = MigrationContext.configure(tx, opts=options)
    return list(compare_metadata(context, table.metadata))
