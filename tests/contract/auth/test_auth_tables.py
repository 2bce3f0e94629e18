"""The tables: what migrations make is what the code says, up and down on data, found by keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, inspect

from functions.auth.repository.tables import metadata
from hearth import migrations
from hearth.db import Database
from tests.support.auth import Harness


def test_the_tables_match_the_code(harness: Harness) -> None:
    def differences(tx: Any) -> list[object]:
        def is_ours(name: str | None, kind: str, _: Any) -> bool:
            return kind != "table" or str(name).startswith("auth_")

        context = MigrationContext.configure(
            tx, opts={"include_name": is_ours, "compare_type": True}
        )
        return list(compare_metadata(context, metadata))

    assert harness.db.read(differences) == []


def test_the_schema_goes_down_and_up_again_on_data(database_url: str) -> None:
    migrations.upgrade(database_url, "0006")
    db = Database(database_url)
    harness = Harness(db)
    harness.key(harness.administrator())

    downgrade(db, "0005")
    assert not [t for t in db.read(lambda tx: inspect(tx).get_table_names()) if "auth" in t]
    migrations.upgrade(database_url, "0006")

    assert Harness(db).administrator()
    db.close()


def downgrade(db: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["database"] = db
    command.downgrade(config, revision)


def test_no_request_reads_a_whole_table(harness: Harness) -> None:
    statements: dict[str, Any] = {}

    def record(_c: object, _k: object, sql: str, parameters: Any, _x: object, many: bool) -> None:
        if sql.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.setdefault(sql, parameters[0] if many else parameters)

    event.listen(harness.db.engine, "before_cursor_execute", record)
    admin = harness.administrator()
    harness.knows(admin)
    harness.knows(harness.key(admin)["key"])
    tokens = harness.log_in()
    harness.call("POST", "/refresh", {"refresh_token": tokens["refresh_token"]})
    harness.call("POST", "/login", {"email": "eve@example.org", "password": "x"})
    harness.call("POST", "/logout", token=admin)
    event.remove(harness.db.engine, "before_cursor_execute", record)

    def plan(sql: str) -> list[str]:
        def explain(tx: Any) -> list[str]:
            if harness.db.is_sqlite:
                rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", statements[sql])
                return [row[-1] for row in rows]
            # By the driver itself: what SQLAlchemy is asked has to be what Aurora DSQL takes.
            with tx.connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute(f"EXPLAIN {sql}", statements[sql])
                return [row[0] for row in cursor.fetchall()]

        return harness.db.read(explain)

    small = ("auth_setup", "auth_signing_keys")  # one row, and a handful
    scans = {
        sql: step
        for sql in statements
        for step in plan(sql)
        if ("Seq Scan on" in step or step.strip().startswith("SCAN"))
        and not any(table in step for table in small)
        # The oldest rows by key: it reads no more of the index than the statement asks for.
        and not ("USING INDEX" in step and " LIMIT " in sql)
    }
    assert len(statements) > 15
    assert scans == {}
