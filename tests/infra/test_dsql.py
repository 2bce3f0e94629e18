"""The schema and the statements lie within what Aurora DSQL takes; the way there does too.

No stand-in of DSQL exists. A real PostgreSQL plays it, watched: one statement of DDL in a
transaction and none beside data, indexes only ASYNC, all within the subset (tests/support/dsql.py).
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, MetaData, event, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import functions
import hearth.aws
from hearth import migrations
from hearth.db import Database
from hearth.errors import InvalidInput, Unavailable
from hearth.migrations.dsql import repeatable, wait_for_indexes
from hearth_runtime.template.reader import Place, TemplateSource
from tests.support import dsql

if TYPE_CHECKING:
    from tests.infra.conftest import Template

HOST = "abc123.dsql.eu-central-1.on.aws"


def as_dsql(url: str) -> str:
    """The URL by which `url`'s server is taken for DSQL."""
    return (
        url.replace("postgresql://", "postgresql+dsql://") + "?region=eu-central-1&sslmode=disable"
    )


@pytest.fixture
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it remembers those of other tests


@dataclass
class Watch:
    """What a server that plays DSQL was asked for; `killed_after` statements of DDL it is lost."""

    ddl: list[str] = field(default_factory=list)
    killed_after: int | None = None


class Killed(Exception):
    """The process was killed."""


@pytest.fixture
def watch(_credentials: None) -> Iterator[Watch]:
    """Every connection to PostgreSQL keeps DSQL's rules while the test runs."""
    seen = Watch()

    def execute(
        connection: Connection, cursor: Any, statement: str, parameters: Any, *_: object
    ) -> tuple[str, Any]:
        if connection.dialect.name == "postgresql" and dsql.is_ddl(statement):
            assert cursor.connection.autocommit, f"DDL in a longer transaction: {statement}"
            assert "INDEX" not in statement or " INDEX ASYNC " in statement or "DROP" in statement
            if seen.killed_after is not None and len(seen.ddl) >= seen.killed_after:
                raise Killed
            seen.ddl.append(statement)
        return dsql.plain(statement), parameters

    event.listen(Engine, "before_cursor_execute", execute, retval=True)
    yield seen
    event.remove(Engine, "before_cursor_execute", execute)


# ---- the schema ----


def test_the_whole_schema_comes_up_on_a_server_with_dsql_s_rules(
    postgres_url: str, watch: Watch
) -> None:
    url = as_dsql(postgres_url)
    assert migrations.upgrade(url) == migrations.head()
    assert len(watch.ddl) > 40
    before = len(watch.ddl)
    assert migrations.upgrade(url) == migrations.head()
    assert len(watch.ddl) - before <= 1  # that of Alembic's own table, if at all


def test_it_is_the_schema_that_postgresql_gets(
    postgres_url: str, tmp_path: Path, watch: Watch
) -> None:
    migrations.upgrade(as_dsql(postgres_url))
    migrations.upgrade(f"sqlite:///{tmp_path}/hearth.db")
    found = shape(Database(postgres_url))
    assert found == shape(Database(f"sqlite:///{tmp_path}/hearth.db"))
    assert len(found) > 10


def shape(db: Database) -> dict[str, tuple[list[str], list[str]]]:
    """Table → columns and indexes."""

    def look(tx: Connection) -> dict[str, tuple[list[str], list[str]]]:
        inspector = inspect(tx)
        return {
            table: (
                sorted(column["name"] for column in inspector.get_columns(table)),
                sorted(str(index["name"]) for index in inspector.get_indexes(table)),
            )
            for table in inspector.get_table_names()
        }

    try:
        return db.read(look)
    finally:
        db.close()


@pytest.mark.parametrize("statements", range(0, 60, 7))
def test_a_migration_that_was_killed_goes_on_where_it_was(
    postgres_url: str, watch: Watch, statements: int
) -> None:
    url = as_dsql(postgres_url)
    watch.killed_after = statements
    with pytest.raises(Killed):
        migrations.upgrade(url)
    watch.killed_after = None
    assert migrations.upgrade(url) == migrations.head()


def test_the_schema_goes_down_as_well(postgres_url: str, watch: Watch) -> None:
    from alembic import command
    from alembic.config import Config

    url = as_dsql(postgres_url)
    migrations.upgrade(url)
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    database = Database(url)
    config.attributes["database"] = database
    command.downgrade(config, "base")
    database.close()
    assert [name for name in shape(Database(postgres_url)) if name != "alembic_version"] == []


def test_an_index_that_cannot_be_used_yet_is_waited_for(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE TABLE t (a TEXT)")
        admin.execute("CREATE INDEX ix_t_a ON t (a)")
        valid = "UPDATE pg_index SET indisvalid = %s WHERE indexrelid = 'ix_t_a'::regclass"
        admin.execute(valid, (False,))
        db = Database(postgres_url)
        times = iter([0.0, 1.0, 1000.0])
        monkeypatch.setattr("time.sleep", lambda _: None)
        with pytest.raises(Unavailable, match="ix_t_a"):
            db.read(lambda tx: wait_for_indexes(tx, lambda: next(times)))
        admin.execute(valid, (True,))
        db.read(lambda tx: wait_for_indexes(tx))
        db.close()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("INSERT INTO t VALUES ('CREATE TABLE x')", "INSERT INTO t VALUES ('CREATE TABLE x')"),
        ("\nCREATE TABLE t (\n\ta TEXT\n)\n\n", "CREATE TABLE IF NOT EXISTS t (\n\ta TEXT\n)\n\n"),
        ("CREATE INDEX i ON t (a)", "CREATE INDEX ASYNC IF NOT EXISTS i ON t (a)"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS i ON t (a)"),
        ("\nDROP INDEX i", "DROP INDEX IF EXISTS i"),
        ("\nDROP TABLE t", "DROP TABLE IF EXISTS t"),
        ("ALTER TABLE t ADD COLUMN a TEXT", "ALTER TABLE t ADD COLUMN IF NOT EXISTS a TEXT"),
        ("ALTER TABLE t DROP COLUMN a", "ALTER TABLE t DROP COLUMN IF EXISTS a"),
    ],
)
def test_a_statement_can_be_repeated(statement: str, expected: str) -> None:
    assert repeatable(statement) == expected
    assert repeatable(expected) == expected


# ---- the tables that the code declares ----


def repositories() -> list[MetaData]:
    """The tables of every module below functions/ that declares some, and of the layers."""
    layers = ("hearth.ledger.table", "hearth_llm.breaker_table")
    found = {id(one): one for one in (importlib.import_module(name).metadata for name in layers)}
    for module in pkgutil.walk_packages(functions.__path__, "functions."):
        if ".repository" in module.name:
            metadata = getattr(importlib.import_module(module.name), "metadata", None)
            if isinstance(metadata, MetaData):
                found[id(metadata)] = metadata
    return list(found.values())


def test_every_table_that_a_repository_declares_is_one_that_dsql_takes() -> None:
    tables = [table for metadata in repositories() for table in metadata.sorted_tables]
    assert len(tables) > 10
    for table in tables:
        dsql.check(str(CreateTable(table).compile(dialect=postgresql.dialect())).strip())
        assert len(table.indexes) <= 24, table.name
        for index in table.indexes:
            dsql.check(str(CreateIndex(index).compile(dialect=postgresql.dialect())))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE a (b TEXT REFERENCES c (d))",
        "CREATE TABLE a (b SERIAL)",
        "CREATE TABLE a (b BIGINT GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE a (b JSONB)",
        "CREATE TABLE a (b JSON)",
        "CREATE TABLE a (b TEXT[])",
        'CREATE TABLE a (b TEXT COLLATE "C")',
        "CREATE TEMP TABLE a (b TEXT)",
        "CREATE UNLOGGED TABLE a (b TEXT)",
        "CREATE TABLE a (b TEXT) PARTITION BY HASH (b)",
        "CREATE TABLE a AS SELECT 1",
        "CREATE TABLE a (b INT4RANGE, EXCLUDE USING gist (b WITH &&))",
        "CREATE SEQUENCE a",
        "CREATE VIEW a AS SELECT 1",
        "CREATE INDEX i ON a (lower(b))",
        "CREATE INDEX i ON a (b) WHERE b > 1",
        "CREATE INDEX i ON a (b DESC)",
        "CREATE INDEX i ON a USING gin (b)",
        "CREATE INDEX CONCURRENTLY i ON a (b)",
        "CREATE INDEX i ON a (b, c, d, e, f, g, h, i, j)",
        "CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f()",
        "ALTER TABLE a ADD COLUMN b TEXT NOT NULL",
        "ALTER TABLE a ADD COLUMN b TEXT DEFAULT ''",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
        "ALTER TABLE a ALTER COLUMN b TYPE INT",
        "ALTER TABLE a ADD CONSTRAINT c FOREIGN KEY (b) REFERENCES d (e)",
        "TRUNCATE a",
        "VACUUM",
        "SAVEPOINT a",
        "RELEASE SAVEPOINT a",
        "LOCK TABLE a",
        "LISTEN a",
        "COPY a FROM STDIN",
        "SELECT a -> 'b' FROM c",
        "SELECT a ->> 'b' FROM c",
        "SELECT a::jsonb FROM c",
        "SELECT json_build_object('a', 1)",
        "SELECT nextval('a')",
        "SELECT pg_advisory_lock(1)",
        "SELECT a FROM b FOR UPDATE SKIP LOCKED",
        "SELECT a FROM b TABLESAMPLE SYSTEM (1)",
    ],
)
def test_what_dsql_refuses_is_found(statement: str) -> None:
    with pytest.raises(dsql.Refused, match="Aurora DSQL takes no"):
        dsql.check(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a FROM b WHERE c = %(c_1)s::VARCHAR AND d LIKE 'x%%'",
        "WITH s(n, a) AS (VALUES (%s, %s)) SELECT n FROM s JOIN t ON t.a >= s.a",
        "INSERT INTO a (b) VALUES (%(b)s) ON CONFLICT (b) DO UPDATE SET b = excluded.b RETURNING b",
        "UPDATE a SET b = 1 WHERE c IN (%(c_1)s, %(c_2)s) RETURNING a.b",
        "DELETE FROM a WHERE b < %(b)s",
        "CREATE UNIQUE INDEX ASYNC IF NOT EXISTS i ON a (b, c)",
        "CREATE TABLE IF NOT EXISTS a (b TEXT NOT NULL, c INTEGER, d BOOLEAN, PRIMARY KEY (b, c))",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS b TEXT",
    ],
)
def test_what_dsql_takes_is_let_through(statement: str) -> None:
    dsql.check(statement)


def test_a_statement_outside_the_subset_fails_the_test_that_runs_it(postgres_url: str) -> None:
    db = Database(postgres_url)
    with pytest.raises(dsql.Refused):
        db.write(lambda tx: tx.execute(text("CREATE TEMP TABLE a (b TEXT)")))
    db.close()


# ---- signing in ----


def test_a_cluster_is_known_by_its_host_or_named_in_the_url() -> None:
    for url, known in (
        (f"postgresql://hearth@{HOST}/postgres", True),
        ("postgresql+dsql://hearth@vpce-1.example/postgres?region=us-east-1", True),
        ("postgresql://hearth@db.example/postgres", False),
        (f"postgresql://hearth@{HOST}.example.org/postgres", False),
        ("sqlite:////tmp/hearth.db", False),
    ):
        db = Database(url)
        assert db.is_dsql is known, url
        db.close()
    with pytest.raises(InvalidInput, match="region"):
        Database("postgresql+dsql://hearth@vpce-1.example/postgres")


@pytest.mark.usefixtures("_credentials")
@pytest.mark.parametrize(("user", "action"), [("admin", "DbConnectAdmin"), ("hearth", "DbConnect")])
def test_a_token_is_signed_for_the_host_the_region_and_the_user(user: str, action: str) -> None:
    token = hearth.aws.dsql_token(HOST, "eu-central-1", user)
    assert token.startswith(f"{HOST}/?Action={action}&X-Amz-Algorithm=AWS4-HMAC-SHA256")
    assert re.search(r"AKIAEXAMPLE%2F\d{8}%2Feu-central-1%2Fdsql%2Faws4_request", token)
    assert "X-Amz-Expires=900" in token
    assert "secret" not in token


def test_without_credentials_the_database_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it remembers those of other tests
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    db = Database(f"postgresql://hearth@{HOST}/postgres")
    with pytest.raises(Unavailable, match="no token for the database"):
        db.read(lambda tx: None)
    db.close()


def test_every_connection_signs_in_with_a_token_of_its_own(
    postgres_server: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that asks for a password, which is another one each time."""
    tokens = iter(["token-1", "token-2", "token-3"])
    monkeypatch.setattr(hearth.aws, "dsql_token", lambda host, region, user: next(tokens))
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        asks_for_passwords(admin)
        admin.execute("CREATE ROLE signed LOGIN PASSWORD 'token-1'")
        db = Database(as_dsql(postgres_url).replace("hearth@", "signed@"))
        assert db.read(lambda tx: tx.execute(text("SELECT current_user")).scalar()) == "signed"
        db.close()
        admin.execute("ALTER ROLE signed PASSWORD 'token-2'")
        assert db.read(lambda tx: tx.execute(text("SELECT 2")).scalar()) == 2
        db.close()
        with pytest.raises(Unavailable, match=r"refused the log-in|does not answer"):
            db.read(lambda tx: None)
        db.close()
        admin.execute("DROP ROLE signed")


def asks_for_passwords(admin: psycopg.Connection[Any]) -> None:
    """Make the server ask the role `signed` for its password; it trusts all others."""
    (path,) = admin.execute("SHOW hba_file").fetchone() or ("",)
    rules = Path(path).read_text()
    Path(path).write_text("host all signed 127.0.0.1/32 scram-sha-256\n" + rules)
    admin.execute("SELECT pg_reload_conf()")


def test_the_certificate_of_a_cluster_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def connect(*_: Any, **parameters: Any) -> None:
        seen.update(parameters)
        raise psycopg.OperationalError

    monkeypatch.setattr(hearth.aws, "dsql_token", lambda *_: "token")
    monkeypatch.setattr(psycopg.Connection, "connect", connect)
    monkeypatch.setattr(psycopg, "connect", connect)
    db = Database(f"postgresql://hearth@{HOST}/postgres")
    with pytest.raises(Unavailable):
        db.read(lambda tx: None)
    assert (seen["password"], seen["sslmode"]) == ("token", "verify-full")
    assert "BEGIN CERTIFICATE" in Path(seen["sslrootcert"]).read_text()


# ---- the template ----


def test_every_function_with_a_database_may_sign_in(template: Template) -> None:
    access = template.body["Resources"]["Access"]
    (*_, sign_in) = access["Properties"]["PolicyDocument"]["Statement"]
    assert sign_in["Fn::If"][0] == "UsesDsql"
    assert sign_in["Fn::If"][1]["Action"] == "dsql:DbConnectAdmin"
    # As a policy of its role, it is there before the function is.
    allowed = {
        name
        for name, function in template.functions.items()
        if {"Ref": "Access"} in function.get("Policies", [])
    }
    assert allowed == set(template.functions) - {"DocsFunction"}


def test_the_cluster_outlives_the_stack(template: Template) -> None:
    cluster = template.body["Resources"]["DsqlCluster"]
    assert cluster["DeletionPolicy"] == cluster["UpdateReplacePolicy"] == "Retain"
    assert cluster["Properties"]["DeletionProtectionEnabled"] is True


def test_at_home_there_is_no_cluster_and_on_aws_its_name_is_one_that_we_know() -> None:
    source = TemplateSource.read(Path(__file__).resolve().parents[2] / "template.yaml")
    home = source.resolve({"DatabaseUrl": "sqlite:////tmp/hearth.db"}, Place("hearth"))
    assert not any("Dsql" in ignored for ignored in home.ignored)
    with_database = [spec for spec in home.functions if spec.short_name != "docs"]
    assert {spec.environment["DATABASE_URL"] for spec in with_database} == {
        "sqlite:////tmp/hearth.db"
    }
    aws = source.resolve({"Database": "dsql"}, Place("hearth", "eu-central-1"))
    (url,) = {spec.environment["DATABASE_URL"] for spec in aws.functions} - {""}
    db = Database(url.replace("hearth-DsqlCluster", "abc123"))
    assert db.is_dsql
    db.close()
