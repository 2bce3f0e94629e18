"""One stack for the tests that leave it as they found it, and real clips where there are some."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.driver import Stack, policy_file, stack

_CAMERAS = [f"yard-{number:02}" for number in range(60)]


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without a model, on which every camera is restricted and strangers are rejected."""
    data = tmp_path_factory.mktemp("shared-stack")
    policy = policy_file(data / "policy.yaml", _CAMERAS, unknown_cameras="reject")
    with stack(data / "data", "--policy", policy) as it:
        yield it


@pytest.fixture(scope="session")
def _unused_cameras() -> list[str]:
    return list(_CAMERAS)


@pytest.fixture
def camera(_unused_cameras: list[str]) -> str:
    """A camera of the shared stack that no other test has used."""
    return _unused_cameras.pop(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of weights and clips."""
    folder = os.environ.get("HEARTH_SHARED", "")
    if not folder:
        pytest.skip("HEARTH_SHARED is not set: no real weights or clips")
    if not Path(folder, "models").is_dir():
        pytest.skip(f"HEARTH_SHARED={folder} holds no models")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def clip(shared: Path) -> Path:
    """71 frames in 4.7 s: a worker crosses a floor."""
    return shared / "data/video/worker-zone-detection.gif"


@pytest.fixture(scope="session")
def yolox(shared: Path) -> list[str]:
    """Options that name the real model."""
    return [
        *("--model", str(shared / "models/yolox_nano.onnx")),
        *("--classes", str(shared / "models/coco.names")),
        *("--confidence", "0.3"),
    ]
