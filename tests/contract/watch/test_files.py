"""Files and folders into a real bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hearth_runtime.watch.errors import SourceError, StoreError
from hearth_runtime.watch.watcher import WatchConfig, WatchSummary, watch
from tests.contract.watch.conftest import S3, scene

CHANGED_AT = datetime(2026, 3, 1, 8, 0, 0, 250_000, tzinfo=UTC)


def run(s3: S3, source: Path, tmp_path: Path, **options: Any) -> WatchSummary:
    config = WatchConfig(
        str(source), s3.bucket, tmp_path / "spool", endpoint_url=s3.endpoint, **options
    )
    return watch(config)


def changed(path: Path) -> Path:
    nanoseconds = round(CHANGED_AT.timestamp() * 1e6) * 1000
    os.utime(path, ns=(nanoseconds, nanoseconds))
    return path


def test_a_video_becomes_five_frames_a_second_and_an_end_marker(
    s3: S3, clip: Callable[..., Path], tmp_path: Path
) -> None:
    summary = run(s3, changed(clip(40)), tmp_path, camera="gate")
    keys = s3.listing()
    frames = [key for key in keys if key.endswith(".jpg")]
    assert len(frames) == 20
    assert frames[:2] == [
        "frames/gate/20260301T080000.250000Z.jpg",
        "frames/gate/20260301T080000.450000Z.jpg",
    ]
    assert keys[-1] == "frames/gate/20260301T080004.050001Z.end"
    assert json.loads(s3.get(keys[-1])) == {"frames": 20}
    assert (summary.first_key, summary.last_key, summary.end_key) == (
        frames[0],
        frames[-1],
        keys[-1],
    )
    assert (summary.frames_read, summary.frames_sent, summary.frames_gated) == (40, 20, 0)
    stored = cv2.imdecode(np.frombuffer(s3.get(frames[3]), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(stored.astype(int) - scene(6)).mean() < 6
    head = s3.client.head_object(Bucket=s3.bucket, Key=frames[0])
    assert head["ContentType"] == "image/jpeg"


def test_a_second_run_stores_the_same_keys_and_bytes(
    s3: S3, clip: Callable[..., Path], tmp_path: Path
) -> None:
    path = clip(20)
    run(s3, path, tmp_path)
    first = {key: s3.get(key) for key in s3.listing()}
    run(s3, path, tmp_path)
    assert {key: s3.get(key) for key in s3.listing()} == first


def test_a_loop_goes_on_in_time(s3: S3, clip: Callable[..., Path], tmp_path: Path) -> None:
    summary = run(s3, changed(clip(10)), tmp_path, camera="gate", loop=3, fps=None)
    frames = [key for key in s3.listing() if key.endswith(".jpg")]
    assert summary.frames_sent == len(frames) == 30
    assert frames[10] == "frames/gate/20260301T080001.250000Z.jpg"
    assert frames[-1] == "frames/gate/20260301T080003.150000Z.jpg"


def test_a_still_clip_is_gated_but_kept_alive(
    s3: S3, clip: Callable[..., Path], tmp_path: Path
) -> None:
    summary = run(s3, clip(50, still=True), tmp_path)
    assert (summary.frames_sent, summary.frames_gated) == (3, 22)  # every two seconds
    assert run(s3, clip(50, still=True), tmp_path, motion=False, camera="all").frames_sent == 25


def test_a_start_time_overrides_the_files_own(
    s3: S3, clip: Callable[..., Path], tmp_path: Path
) -> None:
    summary = run(s3, clip(5), tmp_path, camera="gate", start_time=datetime(2030, 1, 1, tzinfo=UTC))
    assert summary.first_key == "frames/gate/20300101T000000.000000Z.jpg"


def test_pictures_are_stored_untouched_and_broken_ones_too(s3: S3, tmp_path: Path) -> None:
    folder = tmp_path / "yard"
    folder.mkdir()
    good = cv2.imencode(".jpg", scene(0))[1].tobytes()
    contents = {"1.jpg": good, "2.jpg": good[:-300], "3.jpg": b"", "4.jpg": b"text", "5.jpg": good}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    events: list[dict[str, Any]] = []
    config = WatchConfig(str(folder), s3.bucket, tmp_path / "spool", endpoint_url=s3.endpoint)
    summary = watch(config, lambda event: events.append(dict(event)))
    frames = [key for key in s3.listing("frames/yard/") if key.endswith(".jpg")]
    assert [s3.get(key) for key in frames] == list(contents.values())
    assert (summary.frames_sent, summary.frames_unreadable) == (5, 2)
    assert json.loads(s3.get(summary.end_key or "")) == {"frames": 5}
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    assert [message.partition(":")[0][-5:] for message in warnings] == ["3.jpg", "4.jpg"]


def test_a_video_that_was_cut_is_delivered_as_far_as_it_goes(
    s3: S3, clip: Callable[..., Path], tmp_path: Path
) -> None:
    path = clip(40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    summary = run(s3, path, tmp_path)
    assert 3 <= summary.frames_sent < 20
    assert summary.end_key in s3.listing()
    assert "cut short" in summary.warnings[0]


def test_a_source_that_cannot_be_read_stores_nothing(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match="empty"):
        run(s3, tmp_path / "clip.mp4", tmp_path)
    assert s3.listing() == []


def test_a_bucket_that_does_not_exist_is_named(
    s3: S3, clip: Callable[..., Path], tmp_path: Path
) -> None:
    config = WatchConfig(str(clip(5)), "no-such-bucket", tmp_path, endpoint_url=s3.endpoint)
    with pytest.raises(StoreError, match="no-such-bucket"):
        watch(config)


def test_progress_is_told_from_start_to_end(
    s3: S3, clip: Callable[..., Path], tmp_path: Path
) -> None:
    events: list[dict[str, Any]] = []
    config = WatchConfig(
        str(clip(40)), s3.bucket, tmp_path / "spool", endpoint_url=s3.endpoint, loop=40, fps=None
    )
    summary = watch(config, lambda event: events.append(dict(event)))
    names = [event["event"] for event in events]
    assert (names[0], names[-1]) == ("started", "ended")
    assert events[0]["total"] == 1600
    assert events[-1] == {"event": "ended", **summary.as_dict()}
    json.dumps(events)


def test_without_a_rate_and_without_a_look_at_motion_every_frame_is_sent(
    s3: S3, tmp_path: Path, clip: Callable[..., Path]
) -> None:
    summary = run(s3, clip(60), tmp_path, loop=5, fps=None, motion=False)
    assert summary.frames_sent == 300


def test_motion_outside_of_the_region_sends_nothing_and_what_is_sent_is_whole(
    s3: S3, tmp_path: Path, clip: Callable[..., Path]
) -> None:
    # The bar comes to x = 0.5 of the image with frame 30 of 60.
    summary = run(s3, clip(60), tmp_path, regions=((0.5, 0, 0.75, 1),), keep_alive_s=60, fps=None)
    frames = [key for key in s3.listing() if key.endswith(".jpg")]
    assert summary.frames_gated == 60 - len(frames)
    sent = [cv2.imdecode(np.frombuffer(s3.get(key), np.uint8), 1) for key in frames]
    assert [image.shape for image in sent] == [(240, 320, 3)] * len(frames)
    assert np.abs(sent[0].astype(int) - scene(0)).mean() < 6
    assert np.abs(sent[1].astype(int) - scene(31)).mean() < 6
    assert 25 <= len(frames) <= 32


def test_that_a_region_does_nothing_for_pictures_in_files_is_said(s3: S3, tmp_path: Path) -> None:
    (tmp_path / "yard").mkdir()
    (tmp_path / "yard" / "1.jpg").write_bytes(cv2.imencode(".jpg", scene(0))[1].tobytes())
    summary = run(s3, tmp_path / "yard", tmp_path, regions=((0, 0, 0.5, 0.5),))
    assert "a region leaves none of them out" in summary.warnings[0]
    assert summary.frames_sent == 1
