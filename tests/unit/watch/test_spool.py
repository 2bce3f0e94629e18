"""Frames that wait on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearth_runtime.watch.errors import StoreError
from hearth_runtime.watch.keys import end_key, frame_key
from hearth_runtime.watch.spool import Spool


def keys_of(spool: Spool) -> list[str]:
    return [entry.key for entry in spool.oldest(len(spool))]


def test_an_empty_spool_holds_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 1000) as spool:
        assert (len(spool), spool.bytes, spool.oldest(5), spool.is_full) == (0, 0, [], False)


def test_frames_are_found_again_in_order_by_the_next_run(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 1000) as spool:
        for at in (30, 10, 20):
            spool.add(frame_key("gate", at), f"frame {at}".encode(), drop_oldest=True)
    with Spool(tmp_path, "gate", 1000) as spool:
        assert keys_of(spool) == [frame_key("gate", at) for at in (10, 20, 30)]
        assert spool.read(frame_key("gate", 20)) == b"frame 20"
        assert spool.bytes == 3 * len("frame 10")


def test_a_half_written_frame_of_a_power_cut_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "gate").mkdir()
    half = tmp_path / "gate" / "20260101T000000.000000Z.jpg.tmp"
    half.write_bytes(b"half")
    with Spool(tmp_path, "gate", 1000) as spool:
        assert len(spool) == 0
    assert not half.exists()


def test_the_oldest_frames_go_when_the_bound_is_reached_and_are_counted(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 100) as spool:
        dropped = [spool.add(frame_key("gate", at), bytes(40), drop_oldest=True) for at in range(4)]
        assert dropped == [0, 0, 1, 1]
        assert keys_of(spool) == [frame_key("gate", at) for at in (2, 3)]
        assert len(list((tmp_path / "gate").glob("*.jpg"))) == 2


def test_a_late_old_frame_pushes_out_no_newer_one(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 100) as spool:
        for at in (5, 6):
            spool.add(frame_key("gate", at), bytes(50), drop_oldest=True)
        assert spool.add(frame_key("gate", 1), bytes(50), drop_oldest=True) == 1
        assert keys_of(spool) == [frame_key("gate", at) for at in (5, 6)]


def test_a_frame_larger_than_the_bound_is_not_kept(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 100) as spool:
        assert spool.add(frame_key("gate", 1), bytes(101), drop_oldest=True) == 1
        assert len(spool) == 0


def test_a_source_that_can_wait_loses_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 100) as spool:
        for at in range(3):
            assert spool.add(frame_key("gate", at), bytes(40), drop_oldest=False) == 0
        assert spool.is_full
        assert len(spool) == 3


def test_an_end_marker_is_never_dropped(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 50) as spool:
        spool.add(end_key("gate", 1), bytes(5), drop_oldest=True)
        for at in (2, 3):
            spool.add(frame_key("gate", at), bytes(40), drop_oldest=True)
        assert keys_of(spool) == [end_key("gate", 1), frame_key("gate", 3)]


def test_the_same_frame_twice_is_kept_once(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 100) as spool:
        for _ in range(2):
            spool.add(frame_key("gate", 1), bytes(40), drop_oldest=True)
        assert (len(spool), spool.bytes) == (1, 40)


def test_a_camera_has_one_watcher(tmp_path: Path) -> None:
    with Spool(tmp_path, "gate", 100):
        with pytest.raises(StoreError, match="camera gate"), Spool(tmp_path, "gate", 100):
            pass
        with Spool(tmp_path, "yard", 100):
            pass
    with Spool(tmp_path, "gate", 100):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file is in the way")
    with pytest.raises(StoreError, match="cannot be written"), Spool(tmp_path / "spool", "a", 1):
        pass


@settings(max_examples=50, deadline=None)
@given(frames=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 60)), max_size=30))
def test_the_bound_holds_and_order_is_kept_whatever_comes(
    frames: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Spool(tmp_path_factory.mktemp("spool"), "gate", 200) as spool:
        for at, size in frames:
            spool.add(frame_key("gate", at), bytes(size), drop_oldest=True)
            assert spool.bytes <= 200
            assert keys_of(spool) == sorted(keys_of(spool))
            on_disk = sum(path.stat().st_size for path in spool.folder.glob("*.jpg"))
            assert on_disk == spool.bytes
