"""The order of uploads, and the way through the spool, against a bucket that can be cut off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hearth_runtime.watch.bucket import OutOfReach, Refused
from hearth_runtime.watch.errors import StoreError
from hearth_runtime.watch.keys import end_key, frame_key
from hearth_runtime.watch.spool import Spool
from hearth_runtime.watch.upload import Uploader

KEYS = [frame_key("gate", at) for at in range(200)]


class CutOff:
    """A bucket in memory that can be cut off, made slow, and that refuses some keys."""

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self.arrived: list[str] = []
        self.flying = 0
        self.most_flying = 0
        self.asked = 0
        self.reachable = threading.Event()
        self.reachable.set()
        self.refused: set[str] = set()
        self._delay_s = delay_s
        self._lock = threading.Lock()

    def put(self, key: str, data: bytes) -> None:
        with self._lock:
            self.asked += 1
            self.flying += 1
            self.most_flying = max(self.most_flying, self.flying)
        try:
            time.sleep(self._delay_s)
            if not self.reachable.is_set():
                raise OutOfReach("cut off")
            if key in self.refused:
                raise Refused("the bucket answers 400 EntityTooLarge")
            with self._lock:
                self.arrived.append(key)
        finally:
            with self._lock:
                self.flying -= 1


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path, "gate", 100_000) as entered:
        yield entered


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def feed(uploader: Uploader, data: bytes) -> threading.Thread:
    """Submit 60 frames in a thread, which waits where the uploader has it wait."""
    feeder = threading.Thread(target=lambda: [uploader.submit(key, data) for key in KEYS[:60]])
    feeder.start()
    return feeder


def test_nothing_to_send_ends_at_once(spool: Spool) -> None:
    uploader = Uploader(CutOff(), spool, print, patient=True)
    assert uploader.finish(5)
    assert uploader.counts.sent == 0


def test_all_arrive_with_at_most_four_at_once_and_the_end_marker_last(spool: Spool) -> None:
    store = CutOff(delay_s=0.002)
    uploader = Uploader(store, spool, print, patient=True)
    for key in KEYS:
        uploader.submit(key, b"frame")
    uploader.submit(end_key("gate", 1000), b"{}")
    assert uploader.finish(5)
    assert sorted(store.arrived) == [*KEYS, end_key("gate", 1000)]
    assert store.arrived[-1].endswith(".end")
    assert store.most_flying == 4
    # An upload may overtake only those that run beside it.
    assert all(abs(place - KEYS.index(key)) < 4 for place, key in enumerate(store.arrived[:-1]))
    assert (uploader.counts.sent, uploader.counts.spooled) == (200, 0)


def test_frames_go_to_disk_while_the_bucket_is_away_and_follow_in_order(spool: Spool) -> None:
    store = CutOff()
    said: list[str] = []
    uploader = Uploader(store, spool, said.append, patient=False)
    for number, key in enumerate(KEYS[:50], 1):
        uploader.submit(key, b"frame")
        wait_for(lambda number=number: len(store.arrived) == number)
    store.reachable.clear()
    before = len(store.arrived)
    for key in KEYS[50:]:
        uploader.submit(key, b"frame")
    wait_for(lambda: uploader.waiting >= 150 and uploader.outage is not None)
    asked = store.asked
    time.sleep(0.6)
    assert store.asked - asked <= 4  # the oldest alone is tried, after growing waits
    assert len(store.arrived) == before == 50
    store.reachable.set()
    uploader.submit(end_key("gate", 1000), b"{}")
    assert uploader.finish(20)
    assert sorted(store.arrived[:-1]) == KEYS
    assert store.arrived[-1].endswith(".end")
    assert all(abs(place - KEYS.index(key)) < 4 for place, key in enumerate(store.arrived[:-1]))
    assert uploader.counts.sent == 200
    assert uploader.counts.spooled == 150
    assert uploader.counts.dropped == 0
    assert "out of reach" in said[0]
    assert "is back" in said[1]


def test_what_could_not_be_delivered_is_delivered_by_the_next_run(tmp_path: Path) -> None:
    store = CutOff()
    store.reachable.clear()
    with Spool(tmp_path, "gate", 100_000) as spool:
        uploader = Uploader(store, spool, print, patient=True)
        for key in KEYS[:20]:
            uploader.submit(key, b"frame")
        uploader.submit(end_key("gate", 20), b"{}")
        assert not uploader.finish(0.3)
        assert uploader.waiting == 21
    store.reachable.set()
    with Spool(tmp_path, "gate", 100_000) as spool:
        uploader = Uploader(store, spool, print, patient=True)
        for key in KEYS[30:40]:
            uploader.submit(key, b"frame")
        assert uploader.finish(5)
    assert sorted(store.arrived) == sorted([*KEYS[:20], end_key("gate", 20), *KEYS[30:40]])
    assert store.arrived.index(end_key("gate", 20)) == 20
    assert (uploader.counts.recovered, uploader.counts.sent) == (20, 10)


def test_a_camera_loses_its_oldest_frames_when_the_disk_bound_is_reached(tmp_path: Path) -> None:
    store = CutOff()
    store.reachable.clear()
    with Spool(tmp_path, "gate", 1000) as spool:
        uploader = Uploader(store, spool, print, patient=False)
        for key in KEYS[:30]:
            uploader.submit(key, bytes(100))
        wait_for(lambda: uploader.outage is not None and uploader.waiting <= 10)
        assert uploader.counts.dropped == 20
        store.reachable.set()
        assert uploader.finish(10)
    assert sorted(store.arrived) == KEYS[20:30]


def test_a_file_waits_when_the_disk_bound_is_reached(tmp_path: Path) -> None:
    store = CutOff()
    store.reachable.clear()
    with Spool(tmp_path, "gate", 1000) as spool:
        uploader = Uploader(store, spool, print, patient=True)
        feeder = feed(uploader, bytes(100))
        wait_for(lambda: spool.is_full)
        time.sleep(0.1)
        assert feeder.is_alive()
        store.reachable.set()
        feeder.join(10)
        assert uploader.finish(10)
    assert sorted(store.arrived) == KEYS[:60]
    assert uploader.counts.dropped == 0


class FullDisk(Spool):
    """A spool whose disk takes nothing."""

    def add(self, key: str, data: bytes, *, drop_oldest: bool) -> int:
        raise StoreError("the disk takes no more: No space left on device.")


def test_a_file_waits_while_neither_the_bucket_nor_the_disk_takes_it(tmp_path: Path) -> None:
    store = CutOff()
    store.reachable.clear()
    said: list[str] = []
    with FullDisk(tmp_path, "gate", 100_000) as spool:
        uploader = Uploader(store, spool, said.append, patient=True)
        feeder = feed(uploader, b"frame")
        wait_for(lambda: "memory" in "".join(said))
        time.sleep(0.5)
        assert feeder.is_alive()
        store.reachable.set()
        feeder.join(10)
        assert uploader.finish(10)
    assert sorted(store.arrived) == KEYS[:60]
    assert uploader.counts.dropped == 0
    assert sum("memory" in one for one in said) == 1


def test_a_camera_goes_on_with_its_newest_frames_on_a_full_disk(tmp_path: Path) -> None:
    store = CutOff()
    store.reachable.clear()
    with FullDisk(tmp_path, "gate", 100_000) as spool:
        uploader = Uploader(store, spool, print, patient=False)
        uploader.submit(KEYS[0], b"frame")
        wait_for(lambda: uploader.outage is not None)
        for key in KEYS[1:100]:
            uploader.submit(key, b"frame")
        uploader.submit(end_key("gate", 1000), b"{}")
        store.reachable.set()
        assert uploader.finish(10)
    frames = sorted(key for key in store.arrived if key.endswith(".jpg"))
    assert frames == KEYS[100 - len(frames) : 100]
    assert len(frames) >= 15
    assert uploader.counts.dropped == 100 - len(frames)
    assert store.arrived[-1] == end_key("gate", 1000)


def test_what_neither_takes_by_the_end_is_an_error(tmp_path: Path) -> None:
    store = CutOff()
    store.reachable.clear()
    with FullDisk(tmp_path, "gate", 100_000) as spool:
        uploader = Uploader(store, spool, print, patient=True)
        uploader.submit(KEYS[0], b"frame")
        with pytest.raises(StoreError, match="No space left"):
            uploader.finish(0.1)


def test_nobody_waits_any_more_after_hurry(tmp_path: Path) -> None:
    store = CutOff()
    store.reachable.clear()
    with Spool(tmp_path, "gate", 1000) as spool:
        uploader = Uploader(store, spool, print, patient=True)
        feeder = feed(uploader, bytes(100))
        wait_for(lambda: spool.is_full)
        uploader.hurry()
        feeder.join(5)
        assert not feeder.is_alive()
        assert not uploader.finish(0.0)
        assert uploader.waiting == 60
        assert uploader.counts.dropped == 0


def test_a_refused_frame_is_counted_and_holds_up_no_other(spool: Spool) -> None:
    store = CutOff()
    store.refused = {KEYS[3]}
    said: list[str] = []
    uploader = Uploader(store, spool, said.append, patient=True)
    for key in KEYS[:10]:
        uploader.submit(key, b"frame")
    assert uploader.finish(5)
    assert sorted(store.arrived) == [key for key in KEYS[:10] if key != KEYS[3]]
    assert (uploader.counts.sent, uploader.counts.dropped) == (9, 1)
    assert KEYS[3] in said[0]
