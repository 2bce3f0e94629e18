"""Real weights and a real clip, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of weights and clips."""
    folder = os.environ.get("HEARTH_SHARED", "")
    if not folder:
        pytest.skip("HEARTH_SHARED is not set: no real weights or clips")
    if not Path(folder, "models").is_dir():
        pytest.skip(f"HEARTH_SHARED={folder} holds no models")
    return Path(folder)


@pytest.fixture(scope="session")
def yolox_nano(shared: Path) -> Path:
    return shared / "models/yolox_nano.onnx"


@pytest.fixture(scope="session")
def coco(shared: Path) -> tuple[str, ...]:
    return tuple((shared / "models/coco.names").read_text().splitlines())


@pytest.fixture(scope="session")
def worker(shared: Path) -> list[np.ndarray]:
    """71 frames of 480 x 270, BGR: a worker crosses a floor."""
    with Image.open(shared / "data/video/worker-zone-detection.gif") as clip:
        return [
            np.ascontiguousarray(np.asarray(frame.convert("RGB"))[..., ::-1])
            for frame in ImageSequence.Iterator(clip)
        ]
