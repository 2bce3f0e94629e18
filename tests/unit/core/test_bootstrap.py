from __future__ import annotations

from pathlib import Path

import pytest

from hearth.bootstrap import connect
from hearth.settings import CoreSettings
from tests.support.databases import migrated_sqlite


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def test_nothing_is_reached_before_it_is_used() -> None:
    platform = connect(CoreSettings(database_url="no URL at all", bucket=""))
    assert vars(platform).keys() == {"settings", "source"}


def test_each_part_is_made_once_from_the_settings(tmp_path: Path) -> None:
    url = migrated_sqlite(tmp_path / "hearth.db")
    platform = connect(CoreSettings(database_url=url, bucket="frames-here"))
    assert platform.ledger.summary() == {}
    assert platform.ledger.db is platform.db
    assert platform.store is platform.store
    assert platform.store.bucket == "frames-here"
    assert platform.queues is platform.queues
    platform.db.close()
