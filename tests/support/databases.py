"""Fresh databases for the tests, empty or with the newest schema, on SQLite and on PostgreSQL.

The migrations run once in each process; every other database is a copy of what they made.
`tests/contract/core/test_migrations.py` and those who test one revision run them themselves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.support.servers import shared_server


def migrated_sqlite(path: Path) -> str:
    """Make a SQLite database with the newest schema at `path`; returns its URL."""
    path.write_bytes(_migrated_file())
    return f"sqlite:///{path}"


@cache
def _migrated_file() -> bytes:
    from hearth import migrations

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hearth.db")
        migrations.upgrade(f"sqlite:///{path}")
        return path.read_bytes()


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> str:
    """The URL of the test run's PostgreSQL, without a database name."""
    return shared_server(request.config, "postgresql")


@pytest.fixture(scope="session")
def _postgres_admin(postgres_server: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        yield admin


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: str, _postgres_admin: psycopg.Connection) -> str:
    """The name of a database with the newest schema, to which nobody is connected."""
    from hearth import migrations

    name = f"migrated_{uuid4().hex}"
    _postgres_admin.execute(f"CREATE DATABASE {name}")
    migrations.upgrade(f"{postgres_server}/{name}")
    return name


@pytest.fixture
def postgres_url(postgres_server: str, _postgres_admin: psycopg.Connection) -> Iterator[str]:
    """The URL of an empty database that is dropped after the test."""
    name = f"t_{uuid4().hex}"
    _postgres_admin.execute(f"CREATE DATABASE {name} STRATEGY FILE_COPY")
    yield f"{postgres_server}/{name}"
    _postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def migrated_postgres_url(
    postgres_server: str, _postgres_admin: psycopg.Connection, _postgres_template: str
) -> Iterator[str]:
    """The URL of a database with the newest schema that is dropped after the test."""
    name = f"t_{uuid4().hex}"
    _postgres_admin.execute(
        f"CREATE DATABASE {name} TEMPLATE {_postgres_template} STRATEGY FILE_COPY"
    )
    yield f"{postgres_server}/{name}"
    _postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database with the newest schema, where the engine does not matter."""
    return migrated_sqlite(tmp_path / "hearth.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_engine(request: pytest.FixtureRequest) -> str:
    """The test runs once on SQLite and once on PostgreSQL."""
    name: str = request.param
    return name


@pytest.fixture
def database_url(database_engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each engine."""
    if database_engine == "sqlite":
        return f"sqlite:///{tmp_path / 'hearth.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def migrated_url(database_engine: str, request: pytest.FixtureRequest) -> str:
    """The URL of a database of each engine with the newest schema."""
    of = {"sqlite": "sqlite_url", "postgresql": "migrated_postgres_url"}
    url: str = request.getfixturevalue(of[database_engine])
    return url
