"""The clip of an incident: some seconds before and after its peak frame, as an animated GIF.

GIF, because Pillow writes it and everything shows it: MP4 that browsers play needs an encoder that
the image does not have. Small and of few frames, so that it is made within a second and fits into
an answer of the API.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar

import cv2
import numpy as np
from PIL import Image

from functions.detection.incidents.evidence import FaceFinder, blur, find_faces
from functions.detection.repository.frames import list_frames_between
from hearth.errors import HearthError
from hearth.frames import frame_key
from hearth.storage import ObjectStore
from hearth_vision.images import Bgr, ImageLimits, decode_image

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

T = TypeVar("T")
MAX_FRAMES: Final = 24
MAX_SIDE: Final = 480
COLOURS: Final = 96
MIN_MS: Final = 60
MAX_MS: Final = 2_000
LAST_MS: Final = 1_500
"""How long the last frame stays before the clip starts again."""


@dataclass(frozen=True)
class ClipFrame:
    """One frame: when it was captured, its image (BGR), and boxes of the people on it, pixels."""

    captured_at: datetime
    image: Bgr
    people: Sequence[Sequence[float]]


def list_clip_rows(
    tx: Connection, peak: Row[Any], seconds: float, most: int = MAX_FRAMES
) -> list[Row[Any]]:
    """The rows of the frames that a clip around a peak frame shows."""
    around = timedelta(seconds=seconds)
    rows: Sequence[Row[Any]] = list_frames_between(
        tx,
        peak.camera_id,
        frame_key(peak.camera_id, peak.captured_at - around),
        frame_key(peak.camera_id, peak.captured_at + around),
    )
    return choose_evenly(rows, most)


def load_clip_frames(
    store: ObjectStore, rows: Sequence[Row[Any]], limits: ImageLimits
) -> list[ClipFrame]:
    """The frames of a clip, reduced; those that are gone are left out."""
    frames = []
    for row in rows:
        try:
            image = decode_image(store.get(row.frame_key, limits.max_bytes), limits)
        except HearthError:
            continue
        height, width = image.shape[:2]
        scale = min(1.0, MAX_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        people = [[value * scale for value in one["bbox"]] for one in row.result["persons"]]
        frames.append(ClipFrame(row.captured_at, small, people))
    return frames


def choose_evenly(rows: Sequence[T], most: int) -> list[T]:
    """At most so many of them, the first and the last among these."""
    if len(rows) <= most:
        return list(rows)
    step = (len(rows) - 1) / (most - 1)
    return [rows[round(number * step)] for number in range(most)]


def make_clip(frames: Sequence[ClipFrame], faces: FaceFinder | None) -> bytes | None:
    """The animation in the frames' own time; None of fewer than two frames.

    A face that is found on one frame is blurred on its neighbours, too: finders miss some.

    Args:
        faces: Finds the faces to blur; None leaves them as they are.
    """
    if len(frames) < 2:
        return None
    size = frames[0].image.shape
    frames = [frame for frame in frames if frame.image.shape == size]
    found = [
        [] if faces is None else find_faces(frame.image, frame.people, faces) for frame in frames
    ]
    blurred = []
    for number, frame in enumerate(frames):
        near = [face for boxes in found[max(0, number - 1) : number + 2] for face in boxes]
        blurred.append(cv2.cvtColor(blur(frame.image, near), cv2.COLOR_BGR2RGB))
    # One palette for all frames: colours do not flicker, and choosing them is the slow part.
    sample = Image.fromarray(np.concatenate([rgb[::4, ::4] for rgb in blurred]))
    palette = sample.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    images = [
        Image.fromarray(rgb).quantize(palette=palette, dither=Image.Dither.NONE) for rgb in blurred
    ]
    times = [frame.captured_at for frame in frames]
    waits = [
        min(MAX_MS, max(MIN_MS, round((after - before).total_seconds() * 1000)))
        for before, after in pairwise(times)
    ]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[*waits, LAST_MS],
        loop=0,
        # One that is equal to the one before is still a frame of its own time.
        optimize=False,
    )
    return buffer.getvalue()
