"""Queries go by the indexes that were made for them; the migration makes what the code says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, inspect, select

from functions.tasks.repository import metadata
from functions.tasks.schemas import TaskQuery
from functions.tasks.task import Actor
from hearth import migrations
from hearth.db import Database
from tests.contract.tasks.harness import ANA, BOSS, Harness

OWN_TABLES = frozenset(metadata.tables)


def statements_of(harness: Harness, call: Any) -> list[tuple[str, Any]]:
    """The SELECTs that a call sends."""
    sent: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        if sql.lstrip().startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            sent.append((sql, parameters))

    event.listen(harness.db.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(harness.db.engine, "before_cursor_execute", note)
    return sent


def plan(harness: Harness, sql: str, parameters: Any) -> str:
    def explain(tx: Any) -> str:
        if harness.db.is_sqlite:
            found = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)
            return "\n".join(row[-1] for row in found)
        # Small tables are read whole because that is cheaper; here the question is what could be.
        tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        tx.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        return "\n".join(row[0] for row in tx.exec_driver_sql(f"EXPLAIN {sql}", parameters))

    return harness.db.read(explain)


SORTS = {
    "created_at": "ix_tasks_created_at",
    "updated_at": "ix_tasks_updated_at",
    "due_date": "ix_tasks_due_at",
    "priority": "ix_tasks_priority",
}
FILTERS: list[dict[str, Any]] = [
    {},
    {"status": ["blocked"]},
    {"priority": ["high"], "category": "home"},
    {"assignee": "ben", "due_before": "2026-12-01"},
    {"overdue": True},
]


def test_a_list_reads_indexes_only_and_sorts_nothing(harness: Harness) -> None:
    for number in range(20):
        harness.make(str(number), priority="high", category="home")
    gather_statistics(harness)
    for viewer in (Actor(ANA.id), Actor(BOSS.id, manages=True)):
        for sort, index in SORTS.items():
            for filters in FILTERS:
                query = TaskQuery.model_validate({"sort": sort, "limit": 5, **filters})
                sent = statements_of(
                    harness, lambda q=query, v=viewer: harness.services.queries.list(v, q)
                )
                page, count = (plan(harness, sql, parameters) for sql, parameters in sent[:2])
                if harness.db.is_sqlite:
                    assert f"COVERING INDEX {index}" in page
                    assert "TEMP B-TREE" not in page
                    assert "COVERING INDEX" in count
                elif not {"overdue", "due_before"} & set(filters):
                    # With a bound on the due date it may sort the few rows that it expects.
                    assert "Index Only Scan" in page, page
                    assert index in page, page
                    assert "Index Only Scan" in count, count


def gather_statistics(harness: Harness) -> None:
    """What PostgreSQL does by itself, after a while."""
    if not harness.db.is_sqlite:
        with harness.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as tx:
            tx.exec_driver_sql("VACUUM ANALYZE tasks")


def test_words_and_tags_are_looked_up(harness: Harness) -> None:
    for number in range(20):
        harness.make(f"x{number}", tags=["a"])
    for query in (TaskQuery(search="x1"), TaskQuery(tags=["a"]), TaskQuery(search="x", tags=["b"])):
        sent = statements_of(
            harness, lambda q=query: harness.services.queries.list(Actor(ANA.id), q)
        )
        plans = [plan(harness, sql, parameters) for sql, parameters in sent]
        # Only the words themselves, of which there are few, are looked through.
        assert not any("SCAN tasks" in p or "Seq Scan on tasks" in p for p in plans), plans
        assert not any("SCAN task_terms" in p or "Seq Scan on task_t" in p for p in plans), plans


def test_statistics_read_one_index(harness: Harness) -> None:
    harness.make()
    gather_statistics(harness)
    for viewer in (Actor(ANA.id), Actor(BOSS.id, manages=True)):
        ((sql, parameters),) = statements_of(
            harness, lambda v=viewer: harness.services.queries.stats(v)
        )
        steps = plan(harness, sql, parameters)
        assert "ix_tasks_stats" in steps
        assert ("COVERING" if harness.db.is_sqlite else "Index Only Scan") in steps
        assert "TEMP B-TREE" not in steps


def test_nothing_else_reads_a_whole_table(harness: Harness) -> None:
    task = harness.make(due_date="2026-12-01", repeat_rule="FREQ=DAILY")
    other = harness.make()

    def everything() -> None:
        harness.ask("PUT", f"/{task['id']}", {"parent_id": other["id"]})
        harness.ask("PUT", f"/{task['id']}/dependencies/{other['id']}")
        harness.ask("GET", f"/{task['id']}/dependencies")
        harness.ask("GET", f"/{other['id']}/subtasks")
        harness.ask("POST", f"/{task['id']}/comments", {"text": "c"})
        harness.ask("GET", f"/{task['id']}/comments")
        harness.ask("GET", f"/{task['id']}/history")
        harness.ask("POST", "", {"title": "x"}, headers={"Idempotency-Key": "k"})
        harness.ask("POST", "", {"title": "x"}, headers={"Idempotency-Key": "k"})
        harness.ask("POST", "/import", content=b"uid,title\r\n1,x\r\n1,y\r\n",
                 headers={"content-type": "text/csv"})  # fmt: skip
        harness.ask("POST", f"/{task['id']}/complete", {"force": True})
        harness.ask("DELETE", f"/{task['id']}")
        harness.deliver(*harness.report_ready("r1"))

    sent = statements_of(harness, everything)
    assert len(sent) > 40
    wrong = {
        sql: steps
        for sql, parameters in sent
        for steps in [plan(harness, sql, parameters)]
        for table in OWN_TABLES
        if f"Seq Scan on {table}" in steps or f"SCAN {table}" in steps.split("\n")
    }
    assert wrong == {}


def downgrade(url: str, revision: str) -> None:
    """Take the schema back."""
    db = Database(url)
    config = Config(attributes={"database": db})
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    command.downgrade(config, revision)
    db.close()


def test_the_tables_are_what_the_code_says(migrated_url: str) -> None:
    db = Database(migrated_url)

    def differences(tx: Any) -> list[Any]:
        options = {
            "include_name": lambda name, kind, parents: kind != "table" or name in OWN_TABLES,
            "compare_type": True,
        }
        return list(compare_metadata(MigrationContext.configure(tx, opts=options), metadata))

    assert db.read(differences) == []
    db.close()


def test_the_migration_goes_down_and_up_again_with_tasks_there(migrated_url: str) -> None:
    db = Database(migrated_url)
    harness = Harness(db)
    harness.make()
    downgrade(migrated_url, "0006")
    assert not OWN_TABLES & set(db.read(lambda tx: inspect(tx).get_table_names()))
    migrations.upgrade(migrated_url)
    assert harness.list()["total"] == 0
    db.close()


def test_tasks_that_were_there_before_the_index_are_found_as_new_ones_are(
    migrated_url: str,
) -> None:
    db = Database(migrated_url)
    harness = Harness(db)
    harness.make("Stra\u00dfe und Dach", description="rinne \u2003 tor " * 3, tags=["roof", "Car"])
    harness.make(
        "\u5c4b\u6839\u3092\u76f4\u3059", description=" ".join(f"w{n}" for n in range(790))
    )
    harness.make("x", category="home")
    tables = [metadata.tables[name] for name in ("task_terms", "task_words")]

    def indexed(tx: Any) -> list[set[Any]]:
        return [set(map(tuple, tx.execute(select(table)))) for table in tables]

    expected = db.read(indexed)
    assert len(expected[0]) > 700
    db.close()
    downgrade(migrated_url, "0011")
    migrations.upgrade(migrated_url)
    assert db.read(indexed) == expected
    assert harness.list(search="rinn tor", tags="car")["total"] == 1
    db.close()


def test_every_index_has_at_most_as_many_columns_as_aurora_dsql_takes() -> None:
    for table in metadata.tables.values():
        for index in table.indexes:
            assert len(index.columns) <= 8, index.name
