"""The evidence image: the peak frame with boxes, zone and caption, faces blurred.

The same frame and the same facts give the same bytes: nothing depends on the time of drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import cv2
import numpy as np
from PIL import Image

from functions.detection.incidents.drawing import Caption, draw
from functions.detection.judging.polygons import Point
from hearth_vision.detections import Detections
from hearth_vision.images import Bgr, encode_jpeg

MIN_WIDTH: Final = 960
"""Smaller images are enlarged, or labels would cover what they name; pixels."""
MAX_SIDE: Final = 2560
"""Larger images are reduced; the original frame stays in the bucket until it expires."""
JPEG_QUALITY: Final = 90
HEAD: Final = 0.45
"""Upper part of a person's box in which a face is looked for once more, enlarged."""
FACE_CROP: Final = 128
"""Shorter side to which such a part is enlarged, pixels."""
FACE_MARGIN: Final = 0.2
SAME_FACE: Final = 0.3


class FaceFinder(Protocol):
    @property
    def method(self) -> str: ...
    def find(self, image: Bgr) -> Detections: ...


@dataclass(frozen=True)
class EvidenceImage:
    """The image and what was blurred. `faces_blurred` is None when no face was looked for."""

    jpeg: bytes
    faces_blurred: int | None


def render(
    image: Bgr,
    result: Mapping[str, Any],
    polygon: Sequence[Point] | None,
    caption: Caption,
    faces: FaceFinder | None,
) -> EvidenceImage:
    """Draw the evidence.

    Args:
        image: (H, W, 3) uint8, BGR, the original frame.
        result: What was stored of the frame (`FrameResult.result`).
        polygon: Outline of the incident's zone in fractions; None is the whole image.
        caption: Facts for the band below the image.
        faces: Finds the faces to blur; None leaves them as they are.
    """
    people = [person["bbox"] for person in result["persons"]]
    found = [] if faces is None else find_faces(image, people, faces)
    image = blur(image, found)
    image, scale = scaled(image)
    canvas = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    framed = draw(
        canvas, result, polygon, caption, scale, [[v * scale for v in box] for box in found]
    )
    bgr = cv2.cvtColor(np.asarray(framed), cv2.COLOR_RGB2BGR)
    jpeg = encode_jpeg(np.asarray(bgr, np.uint8), JPEG_QUALITY)
    return EvidenceImage(jpeg, None if faces is None else len(found))


def scaled(image: Bgr) -> tuple[Bgr, float]:
    """The image in a size to draw on, and its pixels for one of the original's."""
    height, width = image.shape[:2]
    scale = min(max(1.0, MIN_WIDTH / width), MAX_SIDE / max(height, width))
    if scale == 1:
        return image, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, size, interpolation=how), np.uint8), scale


# ---- faces ----


def blur_faces(
    image: Bgr, people: Sequence[Sequence[float]], finder: FaceFinder
) -> tuple[Bgr, int]:
    """A copy with faces made unrecognizable, and how many there were."""
    found = find_faces(image, people, finder)
    return blur(image, found), len(found)


def find_faces(
    image: Bgr, people: Sequence[Sequence[float]], finder: FaceFinder
) -> list[tuple[float, ...]]:
    """Boxes of faces, pixels.

    Searched on the whole image and, enlarged, in the upper part of each person: a face a few pixels
    wide is found only there.
    """
    height, width = image.shape[:2]
    found = [tuple(map(float, box)) for box in finder.find(image).boxes]
    for x1, y1, x2, y2 in people:
        left, right = max(0, int(x1)), min(width, int(x2) + 1)
        top, bottom = max(0, int(y1)), min(height, int(y1 + (y2 - y1) * HEAD) + 1)
        if right - left < 8 or bottom - top < 8:
            continue
        scale = max(1.0, FACE_CROP / min(right - left, bottom - top))
        crop = cv2.resize(image[top:bottom, left:right], None, fx=scale, fy=scale)
        found += [
            (left + a / scale, top + b / scale, left + c / scale, top + d / scale)
            for a, b, c, d in finder.find(np.ascontiguousarray(crop, np.uint8)).boxes
        ]
    faces: list[tuple[float, ...]] = []
    for box in sorted(found, key=lambda b: (-(b[2] - b[0]) * (b[3] - b[1]), b)):
        if all(_overlap(box, other) < SAME_FACE for other in faces):
            faces.append(box)
    return faces


def blur(image: Bgr, faces: Sequence[Sequence[float]]) -> Bgr:
    """A copy with these faces made unrecognizable."""
    blurred = image.copy()
    for box in faces:
        _blur(blurred, box)
    return blurred


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Common area as a part of the smaller box."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / smaller


def _blur(image: Bgr, box: Sequence[float]) -> None:
    """Make one face unrecognizable, in place: six coarse cells a side, softened, in an ellipse."""
    margin_x, margin_y = (box[2] - box[0]) * FACE_MARGIN, (box[3] - box[1]) * FACE_MARGIN
    x1, y1 = max(0, int(box[0] - margin_x)), max(0, int(box[1] - margin_y))
    x2 = min(image.shape[1], int(box[2] + margin_x) + 1)
    y2 = min(image.shape[0], int(box[3] + margin_y) + 1)
    part = image[y1:y2, x1:x2]
    size = (x2 - x1, y2 - y1)
    # Averaging down loses the detail for good; a blur alone can be partly undone.
    coarse = cv2.resize(part, (6, 6), interpolation=cv2.INTER_AREA)
    soft = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
    mask = np.zeros(part.shape[:2], np.uint8)
    centre, axes = (size[0] // 2, size[1] // 2), (size[0] // 2, size[1] // 2)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1)
    part[mask > 0] = soft[mask > 0]
