"""A database on a volume of its own, as under Docker Compose, comes back to where it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hearth_runtime.backup.backup import back_up
from hearth_runtime.backup.errors import BackupError
from hearth_runtime.backup.restore import restore
from tests.contract.cli.test_backup import jobs_in, make_database, make_object


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A backup of a stack whose database of ten jobs lies outside its folder."""
    data, volume = tmp_path / "data", tmp_path / "volume"
    data.mkdir()
    volume.mkdir()
    make_database(volume)
    make_object(data, "reports/1.pdf", b"report")
    back_up(data, tmp_path / "saved.tar.gz", database_url=f"sqlite:///{volume}/hearth.db")
    return tmp_path / "saved.tar.gz"


def folders(tmp_path: Path) -> tuple[Path, Path, str]:
    """An empty folder, an empty volume, and the URL of a database on that."""
    volume = tmp_path / "new-volume"
    volume.mkdir()
    return tmp_path / "new-data", volume, f"sqlite:///{volume}/hearth.db"


def test_it_goes_where_the_url_says_and_not_into_the_folder(saved: Path, tmp_path: Path) -> None:
    data, volume, url = folders(tmp_path)
    restore(saved, data, database_url=url)
    assert jobs_in(volume) == 10
    assert [path.name for path in volume.iterdir()] == ["hearth.db"]
    assert not (data / "hearth.db").exists()
    assert next((data / "objects").rglob("1.pdf")).read_bytes() == b"report"


def test_a_database_that_is_there_is_not_overwritten(saved: Path, tmp_path: Path) -> None:
    data, volume, url = folders(tmp_path)
    make_database(volume, rows=3)
    with pytest.raises(BackupError) as raised:
        restore(saved, data, database_url=url)
    assert raised.value.message == f"{volume} is not empty: it holds hearth.db."
    assert "--force" in raised.value.remedy
    assert jobs_in(volume) == 3


def test_force_keeps_the_database_that_was_there_with_its_journal(
    saved: Path, tmp_path: Path
) -> None:
    data, volume, url = folders(tmp_path)
    make_database(volume, rows=3)
    with closing(sqlite3.connect(volume / "hearth.db")) as open_:
        open_.execute("INSERT INTO jobs VALUES (99)")
        open_.commit()  # in the journal: another connection is open
        restore(saved, data, database_url=url, force=True)
    assert jobs_in(volume) == 10
    (old,) = volume.glob("hearth.db.replaced-*")
    journal = old.with_name(old.name.replace("hearth.db", "hearth.db-wal"))
    assert journal.exists()
    kept = tmp_path / "kept"
    kept.mkdir()
    old.rename(kept / "hearth.db")
    journal.rename(kept / "hearth.db-wal")
    assert jobs_in(kept) == 4


def test_the_folder_s_own_database_may_be_named(saved: Path, tmp_path: Path) -> None:
    data = tmp_path / "new-data"
    restore(saved, data, database_url=f"sqlite:///{data}/hearth.db")
    assert jobs_in(data) == 10
