"""A real S3 server that goes away in the middle, and comes back on the same port."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hearth_runtime.watch.watcher import WatchConfig, WatchSummary, watch
from tests.contract.watch.conftest import BUCKET, S3
from tests.support.ministack import ministack

pytestmark = pytest.mark.timeout(600)  # a busy machine starts MiniStack slowly


def config(source: Path, tmp_path: Path, port: int, **options: Any) -> WatchConfig:
    return WatchConfig(
        str(source),
        BUCKET,
        tmp_path / "spool",
        camera="gate",
        endpoint_url=f"http://127.0.0.1:{port}",
        fps=None,
        motion=False,
        **options,
    )


def until(said: str, condition: Callable[[], object], patience_s: float = 120) -> None:
    """Wait for a condition, not for a time: how long it takes is the machine's affair."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def ended(watcher: threading.Thread, patience_s: float = 240) -> bool:
    watcher.join(patience_s)
    return not watcher.is_alive()


def test_an_outage_in_the_middle_of_a_clip_loses_nothing(
    clip: Callable[..., Path], tmp_path: Path, port: int
) -> None:
    path = clip(60)
    events: list[dict[str, Any]] = []
    cut = threading.Event()
    done: list[WatchSummary] = []
    settings = config(path, tmp_path, port, loop=20, patience_s=240)

    def heard(event: Any) -> None:
        events.append(dict(event))
        if "out of reach" in str(event.get("message")):
            cut.set()

    watcher = threading.Thread(target=lambda: done.append(watch(settings, heard)))
    with ministack(tmp_path / "ministack", port) as endpoint:
        server = S3(endpoint)
        server.client.create_bucket(Bucket=BUCKET)
        watcher.start()
        until("a frame has arrived", server.listing)
        server.close()
    assert cut.wait(120)
    assert watcher.is_alive()
    spool = tmp_path / "spool" / "gate"
    until("a frame lies in the spool", lambda: list(spool.glob("*.jpg")))
    with ministack(tmp_path / "ministack", port) as endpoint:
        assert ended(watcher)
        server = S3(endpoint)
        keys = server.listing()
        marker = json.loads(server.get(keys[-1]))
        server.close()
    [summary] = done
    assert len(keys) == 1201
    assert keys[-1].endswith(".end")
    assert marker == {"frames": 1200}
    assert summary.complete
    assert (summary.frames_sent, summary.frames_dropped, summary.frames_waiting) == (1200, 0, 0)
    assert summary.frames_spooled > 0
    assert not list((tmp_path / "spool" / "gate").glob("*.jpg"))


def test_what_was_kept_on_disk_is_delivered_by_the_next_run(
    clip: Callable[..., Path], tmp_path: Path, port: int
) -> None:
    path = clip(20)
    summary = watch(config(path, tmp_path, port, patience_s=0.2))
    assert not summary.complete
    assert (summary.frames_sent, summary.frames_waiting) == (0, 21)
    assert "follow with the next" in summary.warnings[-1]
    with ministack(tmp_path / "ministack", port) as endpoint:
        server = S3(endpoint)
        server.client.create_bucket(Bucket=BUCKET)
        again = watch(config(path, tmp_path, port))
        keys = server.listing()
        server.close()
    assert again.complete
    assert again.frames_sent + again.frames_recovered >= 20
    assert len(keys) == 21


def test_a_stop_during_an_outage_ends_soon_and_keeps_everything(
    clip: Callable[..., Path], tmp_path: Path, port: int
) -> None:
    stop = threading.Event()
    done: list[WatchSummary] = []
    settings = config(clip(20), tmp_path, port, patience_s=600)
    watcher = threading.Thread(target=lambda: done.append(watch(settings, stop=stop)))
    watcher.start()
    spool = tmp_path / "spool" / "gate"
    until("all of it lies in the spool", lambda: list(spool.glob("*.end")))
    stop.set()
    assert ended(watcher)  # long before its patience
    [summary] = done
    assert not summary.complete
    assert summary.frames_waiting == 21


@pytest.mark.parametrize("limit", [200_000])
def test_a_file_waits_for_the_bucket_when_the_disk_bound_is_reached(
    clip: Callable[..., Path], tmp_path: Path, port: int, limit: int
) -> None:
    path = clip(60)
    done: list[WatchSummary] = []
    settings = config(path, tmp_path, port, loop=3, spool_bytes=limit, patience_s=240)
    watcher = threading.Thread(target=lambda: done.append(watch(settings)))
    watcher.start()
    spool = tmp_path / "spool" / "gate"

    def is_full() -> bool:
        return sum(file.stat().st_size for file in spool.glob("*.jpg")) >= 0.9 * limit

    until("the spool is full", is_full)
    with ministack(tmp_path / "ministack", port) as endpoint:
        server = S3(endpoint)
        server.client.create_bucket(Bucket=BUCKET)
        assert ended(watcher)
        assert len(server.listing()) == 181
        server.close()
    assert done[0].frames_dropped == 0
