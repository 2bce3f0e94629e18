"""The clips that the benchmarks use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hearth_runtime.watch.watcher import WatchConfig, watch
from tests.contract.watch.conftest import S3

SHARED = Path(os.environ.get("HEARTH_SHARED", "shared"))
CLIPS = SHARED / "data" / "video"

pytestmark = [
    pytest.mark.needs_shared,
    pytest.mark.skipif(
        not CLIPS.is_dir(), reason=f"{CLIPS} is not there: set HEARTH_SHARED to the shared folder"
    ),
]


def test_every_frame_of_the_gif_arrives_at_its_own_time(s3: S3, tmp_path: Path) -> None:
    config = WatchConfig(
        str(CLIPS / "worker-zone-detection.gif"),
        s3.bucket,
        tmp_path,
        endpoint_url=s3.endpoint,
        fps=None,
        motion=False,
    )
    summary = watch(config)
    assert (summary.frames_read, summary.frames_sent) == (71, 71)
    assert summary.camera == "worker-zone-detection"


def test_a_walk_past_the_camera_passes_the_motion_gate(s3: S3, tmp_path: Path) -> None:
    config = WatchConfig(
        str(CLIPS / "worker-zone-detection.gif"),
        s3.bucket,
        tmp_path,
        endpoint_url=s3.endpoint,
        fps=None,
    )
    assert watch(config).frames_sent >= 65


def test_a_long_video_is_sampled_by_its_own_time(s3: S3, tmp_path: Path) -> None:
    config = WatchConfig(
        str(CLIPS / "one-by-one-person-detection.mp4"),
        s3.bucket,
        tmp_path,
        endpoint_url=s3.endpoint,
        motion=False,
    )
    summary = watch(config)
    assert summary.frames_read == 1394
    assert summary.frames_sent == 697
