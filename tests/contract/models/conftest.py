"""Places for a registry, small models, and pictures on which they find something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import boto3
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hearth_models.cli import app
from hearth_vision.images import encode_jpeg
from tests.contract.vision.graphs import BrightCells

Call = Callable[..., Result]
NAMES = "{0: 'red', 1: 'green', 2: 'person'}"
LICENSED = {"names": NAMES, "license": "Apache-2.0"}


SERVERS = ("moto", "ministack")


@pytest.fixture(params=SERVERS)
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An empty bucket of each server, which the environment names."""
    return _bucket(request, request.param, monkeypatch, tmp_path)


@pytest.fixture(params=["folder", *SERVERS])
def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[str]:
    """Options that name a registry."""
    if request.param == "folder":
        return ["--data", str(tmp_path / "data")]
    return ["--bucket", _bucket(request, request.param, monkeypatch, tmp_path)]


def _bucket(
    request: pytest.FixtureRequest, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    endpoint = request.getfixturevalue(f"{server}_endpoint")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = f"models-{uuid4().hex}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    client.close()
    return name


@pytest.fixture
def hearth_models() -> Call:
    """Runs a command as a person would; the result's `stderr` is what they read."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return BrightCells("yolov8", metadata=LICENSED, convolved=True).save(
        tmp_path / "Best_Model.onnx"
    )


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures with squares of three colours, each on its own cell."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(7)
    for number in range(60):
        image = random.integers(0, 60, (64, 96, 3), np.uint8)
        for channel in range(3):
            row, column = int(random.integers(0, 4)), int(random.integers(0, 6))
            image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 0
            image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16, channel] = 250
        (folder / f"{number:03}.jpg").write_bytes(encode_jpeg(image, 95))
    return folder
