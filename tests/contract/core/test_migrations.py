from __future__ import annotations

import multiprocessing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect

from hearth import migrations
from hearth.db import Database
from hearth.errors import Unavailable
from hearth.idempotency import metadata as idempotency_metadata
from hearth.ledger.ledger import metadata as ledger_metadata


def test_an_empty_database_has_no_revision(database_url: str) -> None:
    assert migrations.current(database_url) is None


def test_an_empty_database_is_migrated_to_the_newest_schema_twice(database_url: str) -> None:
    assert migrations.upgrade(database_url) == migrations.head()
    assert migrations.upgrade(database_url) == migrations.head()
    assert migrations.current(database_url) == migrations.head()


def test_a_database_can_be_migrated_to_a_given_revision(database_url: str) -> None:
    assert migrations.upgrade(database_url, "0001") == "0001"


@pytest.mark.parametrize(
    ("table", "metadata", "revision"),
    [("jobs", ledger_metadata, "0001"), ("idempotency_keys", idempotency_metadata, "0018")],
    ids=["jobs", "idempotency keys"],
)
def test_the_core_tables_match_the_code(
    database_url: str, table: str, metadata: MetaData, revision: str
) -> None:
    migrations.upgrade(database_url, revision)
    db = Database(database_url)

    def differences(tx: object) -> list[object]:
        context = MigrationContext.configure(
            tx,  # type: ignore[arg-type]
            opts={
                "include_name": lambda name, kind, parents: kind != "table" or name == table,
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, metadata))

    assert db.read(differences) == []
    db.close()


def test_the_history_is_one_line_of_numbers() -> None:
    script = ScriptDirectory(str(migrations.__path__[0]))
    revisions = [item.revision for item in script.walk_revisions()][::-1]
    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]
    assert script.get_heads() == revisions[-1:]


def test_two_processes_may_migrate_at_once(database_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        reached = pool.map(migrations.upgrade, [database_url] * 3)
    assert reached == [migrations.head()] * 3
    db = Database(database_url)
    assert "jobs" in db.read(lambda tx: inspect(tx).get_table_names())
    db.close()


def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        migrations.upgrade("sqlite:////nowhere/at/all/hearth.db")
