"""A real S3 server for the watcher, and real clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.daemons import free_port

BUCKET = "hearth-frames"


class S3:
    """What a test asks one bucket of a server."""

    def __init__(self, endpoint: str, bucket: str = BUCKET) -> None:
        self.endpoint, self.bucket = endpoint, bucket
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def listing(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def close(self) -> None:
        self.client.close()


@pytest.fixture
def s3(ministack_endpoint: str) -> Iterator[S3]:
    """An empty bucket."""
    server = S3(ministack_endpoint, f"frames-{uuid4().hex}")
    server.client.create_bucket(Bucket=server.bucket)
    yield server
    server.close()


@pytest.fixture
def port() -> int:
    return free_port()


def scene(index: int) -> NDArray[np.uint8]:
    """A bright bar on dark ground, 4 pixels further right in every frame; (240, 320, 3) BGR."""
    image = np.full((240, 320, 3), 40, np.uint8)
    left = (index * 4) % 320
    image[:, left : left + 40] = (60, 180, 220)
    return image


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a Motion JPEG video with `frames` frames at 10 a second."""

    def write(frames: int = 40, *, still: bool = False) -> Path:
        path = tmp_path / "clip.avi"
        fourcc = cv2.VideoWriter.fourcc(*"MJPG")
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 10, (320, 240))
        for index in range(frames):
            writer.write(scene(0 if still else index))
        writer.release()
        return path

    return write
