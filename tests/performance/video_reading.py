"""Reading video: Hearth's reader (PyAV) beside OpenCV's, on generated files, in one run.

    .venv/bin/python -m tests.performance.video_reading

Each file is read whole, twice: every frame converted, and five a second as `hearth watch` does.
Interlaced video is deinterlaced by the first and not by the second, which may hand on buffers that
were never filled.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth_runtime.watch.frames import ImageLimits
from hearth_runtime.watch.sampling import Sampler
from hearth_runtime.watch.sources import open_source
from tests.unit.watch.test_decoding import write_video

os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # it tells of every image that it cannot convert
FRAMES, FPS, ROUNDS = 250, 25, 3
FILES = {
    "h264.mp4": ("libx264", {}),
    "h265.mp4": ("libx265", {"x265-params": "log-level=none"}),
    "mjpeg.avi": ("mjpeg", {}),
    "interlaced.ts": ("libx264", {"flags": "+ilme+ildct", "x264-params": "tff=1"}),
}
Read = Callable[[Path, float | None], int]


def images(width: int = 1280, height: int = 720) -> Iterator[NDArray[np.uint8]]:
    """A textured ground on which a bar moves."""
    noise = np.random.default_rng(7).integers(0, 90, (height, width, 3), dtype=np.uint8)
    for index in range(FRAMES):
        image = noise.copy()
        image[:, index * 4 : index * 4 + 80] = (60, 180, 220)
        yield image


def with_hearth(path: Path, fps: float | None) -> int:
    source = open_source(str(path), ImageLimits(), print)
    return sum(1 for _ in source.frames(Sampler(fps)))


def with_opencv(path: Path, fps: float | None) -> int:
    sampler, count, index = Sampler(fps), 0, 0
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    while capture.grab():
        if sampler(round(index * 1_000_000 / FPS)):
            count += capture.retrieve()[0]
        index += 1
    capture.release()
    return count


def seconds(read: Read, path: Path, fps: float | None) -> tuple[float, int]:
    began = time.perf_counter()
    count = read(path, fps)
    return time.perf_counter() - began, count


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, (codec, options) in FILES.items():
            path = write_video(Path(folder) / name, images(), codec, fps=FPS, **options)
            for fps in (None, 5.0):
                ours, theirs = [], []
                for _ in range(ROUNDS):  # in turn, so that other work disturbs both
                    ours.append(seconds(with_hearth, path, fps))
                    theirs.append(seconds(with_opencv, path, fps))
                (a, ours_count), (b, theirs_count) = min(ours), min(theirs)
                print(
                    f"{name:14} {'all' if fps is None else f'{fps:g}/s':>4}: "
                    f"{FRAMES / a:6.0f} frames/s read, OpenCV {FRAMES / b:6.0f}: {b / a:.2f} x; "
                    f"images {ours_count} and {theirs_count}"
                )


if __name__ == "__main__":
    main()
