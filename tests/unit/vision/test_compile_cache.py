"""The folder that native code reads compiled programs from."""

from __future__ import annotations

import os
from pathlib import Path

from hearth_vision.backends.compile_cache import KEPT, compile_cache


def test_the_cache_folder_is_private_to_this_user(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "cache"
    assert compile_cache(folder) == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert compile_cache(folder) == folder


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o777)
    assert compile_cache(folder) is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to(tmp_path / "theirs")
    assert compile_cache(tmp_path / "cache") is None


def test_a_file_in_place_of_the_folder_disables_the_cache(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    assert compile_cache(tmp_path / "cache") is None


def test_only_the_newest_programs_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    for age in range(KEPT + 5):
        path = folder / f"{age}.blob"
        path.write_bytes(b"")
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    assert compile_cache(folder) == folder
    left = {path.name for path in folder.iterdir()}
    assert left == {f"{age}.blob" for age in range(KEPT)}
