"""The evidence image: the peak frame with boxes, zone and caption, faces blurred.

The same frame and the same facts give the same bytes: nothing depends on the time of drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from functions.detection.judging.equipment import DESCRIPTIONS
from functions.detection.judging.polygons import Point
from hearth_vision.detections import Detections
from hearth_vision.images import Bgr, encode_jpeg

Colour = tuple[int, int, int]

# They differ in lightness as well, for people with red-green colour blindness.
RED: Final[Colour] = (214, 40, 40)
AMBER: Final[Colour] = (240, 160, 10)
GREEN: Final[Colour] = (30, 142, 62)
INK: Final[Colour] = (24, 26, 30)
WHITE: Final[Colour] = (255, 255, 255)
GREY: Final[Colour] = (176, 182, 190)
COLOURS: Final[dict[str, Colour]] = {
    "violation": RED,
    "indeterminate": AMBER,
    "compliant": GREEN,
}

MIN_WIDTH: Final = 960
"""Smaller images are enlarged, or labels would cover what they name; pixels."""
MAX_SIDE: Final = 2560
"""Larger images are reduced; the original frame stays in the bucket until it expires."""
JPEG_QUALITY: Final = 90
HEAD: Final = 0.45
"""Upper part of a person's box in which a face is looked for once more, enlarged."""
FACE_CROP: Final = 200
"""Shorter side to which such a part is enlarged, pixels."""
FACE_MARGIN: Final = 0.2
SAME_FACE: Final = 0.3


class FaceFinder(Protocol):
    @property
    def method(self) -> str: ...
    def find(self, image: Bgr) -> Detections: ...


@dataclass(frozen=True)
class Caption:
    """Facts for the band below the image; `time` is already in the site's zone."""

    camera_id: str
    zone: str | None
    time: str
    incident_id: str
    model: str
    classes: tuple[str, ...]
    note: str | None = None


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
    blurred = None
    if faces is not None:
        image, blurred = blur_faces(image, [p["bbox"] for p in result["persons"]], faces)
    height, width = image.shape[:2]
    scale = min(max(1.0, MIN_WIDTH / width), MAX_SIDE / max(height, width))
    if scale != 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        image = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    canvas = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    unit = max(1, round(min(canvas.size) / 360))
    if polygon is not None:
        canvas = _with_zone(canvas, polygon, unit)
    drawing = _Drawing(canvas, unit)
    for detection in result["detections"]:
        drawing.equipment(detection, scale)
    # Violations last, so that their labels lie on top.
    order = ["compliant", "indeterminate", "violation"]
    for person in sorted(result["persons"], key=lambda p: order.index(p["verdict"])):
        drawing.person(person, caption.zone, scale)
    framed = _with_band(canvas, caption, unit)
    bgr = cv2.cvtColor(np.asarray(framed), cv2.COLOR_RGB2BGR)
    return EvidenceImage(encode_jpeg(np.asarray(bgr, np.uint8), JPEG_QUALITY), blurred)


# ---- faces ----


def blur_faces(
    image: Bgr, people: Sequence[Sequence[float]], finder: FaceFinder
) -> tuple[Bgr, int]:
    """A copy with faces made unrecognizable, and how many there were.

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
    blurred = image.copy()
    for box in faces:
        _blur(blurred, box)
    return blurred, len(faces)


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


# ---- drawing ----


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _with_zone(canvas: Image.Image, polygon: Sequence[Point], unit: int) -> Image.Image:
    width, height = canvas.size
    corners = [(x * (width - 1), y * (height - 1)) for x, y in polygon]
    veil = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    ImageDraw.Draw(veil).polygon(corners, fill=(*RED, 38))
    mixed = Image.alpha_composite(canvas.convert("RGBA"), veil).convert("RGB")
    ImageDraw.Draw(mixed).line([*corners, corners[0]], fill=RED, width=2 * unit, joint="curve")
    return mixed


class _Drawing:
    """Boxes and labels on one image; `unit` is a thin line's width in pixels."""

    def __init__(self, canvas: Image.Image, unit: int) -> None:
        self.size = canvas.size
        self.unit = unit
        self.draw = ImageDraw.Draw(canvas)
        self.font = _font(max(13, 9 * unit))

    def person(self, person: Mapping[str, Any], zone: str | None, scale: float) -> None:
        colour = COLOURS[person["verdict"]]
        lines = [f"Person {person['index']}  {person['confidence']:.2f}"]
        for violation in person["violations"]:
            if violation["zone"] == zone or violation["zone"] is None:
                how = " inferred" if violation["inferred"] else ""
                lines.append(
                    f"{_title(violation['class_name'])}  {violation['confidence']:.2f}{how}"
                )
        if len(lines) == 1:
            lines.append(str(person["verdict"]))
        box = [value * scale for value in person["bbox"]]
        self._outline(box, colour, 2 * self.unit)
        self._label(box, list(dict.fromkeys(lines)), colour)

    def equipment(self, detection: Mapping[str, Any], scale: float) -> None:
        name = str(detection["class_name"])
        if name.lower() in ("person", "worker", "people", "pedestrian"):
            return
        # An item that nobody wears is evidence neither for nor against anyone.
        worn = GREY if detection["person"] is None else GREEN
        colour = RED if detection["violation"] else worn
        box = [value * scale for value in detection["bbox"]]
        self._outline(box, colour, self.unit)
        self._label(box, [f"{name}  {detection['confidence']:.2f}"], colour, below=True)

    def _outline(self, box: Sequence[float], colour: Colour, width: int) -> None:
        x1, y1, x2, y2 = box
        halo = [x1 - 1, y1 - 1, x2 + 1, y2 + 1]
        self.draw.rectangle(halo, outline=INK, width=width + 2)
        self.draw.rectangle([x1, y1, x2, y2], outline=colour, width=width)

    def _label(
        self, box: Sequence[float], lines: Sequence[str], colour: Colour, below: bool = False
    ) -> None:
        """Text on a plate in the box's colour: above it where there is room, else inside."""
        text = "\n".join(lines)
        pad = 2 * self.unit + 1
        left, top, right, bottom = self.draw.multiline_textbbox((0, 0), text, font=self.font)
        width, height = right - left + 2 * pad, bottom - top + 2 * pad
        x = min(max(0.0, box[0]), self.size[0] - width)
        y = box[3] if below else box[1] - height
        if y < 0:
            y = box[1]
        y = min(max(0.0, y), self.size[1] - height)
        self.draw.rectangle([x, y, x + width, y + height], fill=colour)
        dark = sum(colour) > 380
        self.draw.multiline_text(
            (x + pad - left, y + pad - top), text, font=self.font, fill=INK if dark else WHITE
        )


def _with_band(canvas: Image.Image, caption: Caption, unit: int) -> Image.Image:
    """The image with a band of facts below it."""
    size = max(14, 10 * unit)
    large, small = _font(size), _font(round(size * 0.8))
    width, height = canvas.size
    zone = f"zone {caption.zone}" if caption.zone else "whole picture"
    head = ", ".join(name.replace("_", " ") for name in caption.classes).capitalize()
    facts = f"Camera {caption.camera_id}   |   {zone}   |   {caption.time}"
    lines = [
        (head, large, WHITE),
        (facts, small, WHITE),
        (f"Incident {caption.incident_id}", small, GREY),
        (f"Judged by {caption.model}", small, GREY),
    ]
    if caption.note:
        lines.append((caption.note, small, AMBER))
    pad = size * 2 // 3
    step = round(size * 1.4)
    framed = Image.new("RGB", (width, height + step * len(lines) + 2 * pad), INK)
    framed.paste(canvas, (0, 0))
    draw = ImageDraw.Draw(framed)
    draw.rectangle([0, height, width, height + max(2, unit)], fill=RED)
    for number, (text, font, colour) in enumerate(lines):
        y = height + pad + number * step
        draw.text((pad, y), _shorten(draw, text, font, width - 2 * pad), font=font, fill=colour)
    return framed


def _shorten(draw: ImageDraw.ImageDraw, text: str, font: Any, width: int) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(f"{text}...", font=font) > width:
        text = text[:-1]
    return f"{text}..."


def _title(class_name: str) -> str:
    """`no_helmet` → `No helmet`."""
    known = class_name in DESCRIPTIONS
    return class_name.replace("_", " ").capitalize() if known else class_name
