"""A model that is promoted while the stack runs judges the next frames, and comes with a backup."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

import pytest

from tests.contract.models.conftest import LICENSED
from tests.contract.vision.graphs import BrightCells
from tests.e2e.driver import Stack, encoded, hearth, key_of, photograph, stack

CAMERA = "dock"
# A minute until the registry is looked at again, and time for the work around it.
PATIENCE_S = 100.0


def judged_by(it: Stack, camera: str, sha256: str | None) -> None:
    """Deliver frames until the model with that hash judges them; None is the built-in detector.

    Raises:
        AssertionError: It does not come to that in time.
    """
    deadline = time.monotonic() + PATIENCE_S
    for second in count():
        key = key_of(camera, second)
        it.put(key, encoded(photograph()))
        it.settle([key])
        (found,) = [one for one in it.get("/cameras")["cameras"] if one["camera_id"] == camera]
        if found["model"]["fallback"] if sha256 is None else found["model"]["sha256"] == sha256:
            return
        assert time.monotonic() < deadline, found["model"]
        time.sleep(3)


def promoted(data: Path, model: Path) -> str:
    """Add and promote a model; its sha256."""
    added = hearth("models", "add", model, "--json", data=data)
    assert added.code == 0, added.err
    assert hearth("models", "promote", added.json()["id"], data=data).code == 0
    return str(added.json()["original"]["sha256"])


@pytest.mark.slow
def test_a_first_promotion_takes_effect_and_is_restored_from_a_backup(tmp_path: Path) -> None:
    data, new = tmp_path / "data", tmp_path / "new"
    model = BrightCells("yolov8", metadata=LICENSED).save(tmp_path / "best.onnx")
    with stack(data) as it:
        judged_by(it, CAMERA, None)
        sha256 = promoted(data, model)
        judged_by(it, CAMERA, sha256)
        done = hearth("backup", tmp_path / "b.tar.gz", "--json", data=data)
        assert done.code == 0, done.err
        assert done.json()["models"] == 1
        assert done.json()["models_size"] > model.stat().st_size
        bare = hearth("backup", tmp_path / "bare.tar.gz", "--without-models", data=data)
        assert "without models" in bare.out
    assert hearth("restore", tmp_path / "b.tar.gz", data=new).code == 0
    with stack(new) as it:
        judged_by(it, "gate", sha256)
    restored = hearth("restore", tmp_path / "bare.tar.gz", data=tmp_path / "bare")
    assert "No model is in it" in restored.err
    assert not (tmp_path / "bare/models").exists()
