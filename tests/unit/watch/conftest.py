"""Real images and clips, made by the tests that read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Clip = Callable[..., Path]


def scene(index: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """A bright bar on dark ground, 4 pixels further right in every frame."""
    image = np.full((height, width, 3), 40, np.uint8)
    left = (index * 4) % width
    image[:, left : left + 40] = (60, 180, 220)
    return image


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """Writes a video with `frames` frames at `fps`; the bar moves unless `still`."""

    def write(
        name: str = "clip.avi", *, frames: int = 40, fps: float = 10.0, still: bool = False
    ) -> Path:
        path = tmp_path / name
        codec = "MJPG" if path.suffix == ".avi" else "mp4v"
        fourcc = cv2.VideoWriter.fourcc(*codec)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, fps, (320, 240))
        for index in range(frames):
            writer.write(scene(0 if still else index))
        writer.release()
        return path

    return write


@pytest.fixture
def gif(tmp_path: Path) -> Callable[..., Path]:
    """Writes an animated GIF whose frames last as long as `durations` says (ms)."""

    def write(durations: list[int], name: str = "clip.gif") -> Path:
        frames = [Image.fromarray(scene(i * 5)[:, :, ::-1]) for i in range(len(durations))]
        path = tmp_path / name
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
        return path

    return write
