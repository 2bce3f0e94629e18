"""The tables are what the code says, and a database goes back and forth with what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, insert, select

from functions.detection.repository.tables import metadata as detection
from functions.notifications.repository.tables import metadata
from functions.reports.repository.tables import metadata as reports_metadata
from functions.reports.repository.tables import reports
from hearth import migrations
from hearth.db import Database
from tests.contract.notifications.conftest import Harness


@pytest.mark.parametrize(
    "described", [metadata, detection, reports_metadata], ids=["own", "detection", "reports"]
)
def test_the_tables_match_the_code(harness: Harness, described: MetaData) -> None:
    def differences(tx: Connection) -> list[object]:
        context = MigrationContext.configure(
            tx,
            opts={
                "include_name": lambda name, kind, _: kind != "table" or name in described.tables,
                "compare_type": True,
            },
        )
        return list(compare_metadata(context, described))

    assert harness.db.read(differences) == []


def test_a_database_with_notifications_and_links_goes_down_and_up_again(harness: Harness) -> None:
    harness.publish(harness.violation())
    now = harness.clock()
    texts = ("id", "incident_id", "camera_id", "narrative_source", "pdf_key", "pdf_sha256")
    row = dict.fromkeys(texts, "1") | {"revision": 1, "task_id": "2", "classes": [], "site": {}}
    row |= {"narrative": {}} | dict.fromkeys(
        ("first_seen", "last_seen", "created_at", "updated_at"), now
    )
    harness.db.write(lambda tx: tx.execute(insert(reports), row))
    harness.db.close()
    downgrade(harness.db, "0008")
    migrations.upgrade(harness.db.engine.url.render_as_string(hide_password=False))
    query = select(reports.c.id, reports.c.task_id)
    assert harness.db.read(lambda tx: tx.execute(query).all()) == [("1", None)]
    assert harness.notifications() == []


def downgrade(db: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["database"] = db
    command.downgrade(config, revision)
    db.close()
