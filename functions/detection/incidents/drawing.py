"""Draws an incident's zone, people, labels and caption on its frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from functions.detection.incidents.labels import Box, head_of, place_label
from functions.detection.judging.equipment import DESCRIPTIONS, VIOLATION_OF, role_of
from functions.detection.judging.polygons import Point, snap_to_border

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
MAX_LISTED: Final = 8
"""Lines of the legend below the image; more are counted."""


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
class _Label:
    """A text on a plate in the colour of the box that it speaks of; `owner` is said in a legend."""

    box: Box
    lines: tuple[str, ...]
    colour: Colour
    owner: str = ""


def draw(
    canvas: Image.Image,
    result: Mapping[str, Any],
    polygon: Sequence[Point] | None,
    caption: Caption,
    scale: float,
    faces: Sequence[Sequence[float]] = (),
) -> Image.Image:
    """The image with everything that is known of it.

    Only what breaks a rule of the incident's own zone is red: what somebody does elsewhere belongs
    to another incident. A label for which there is no place outside its box, heads and faces stands
    in a legend below the image.

    Args:
        result: What was stored of the frame (`FrameResult.result`).
        polygon: Outline of the incident's zone in fractions; None is the whole image.
        scale: Pixels of the canvas for one of the frame.
        faces: Boxes of faces, pixels of the canvas.
    """
    unit = max(1, round(min(canvas.size) / 360))
    if polygon is not None:
        canvas = outline_zone(canvas, snap_to_border(polygon), unit)
    people = [_person_label(person, caption.zone, scale) for person in result["persons"]]
    things = [
        label
        for detection in result["detections"]
        if (label := _equipment_label(detection, result["persons"], caption.zone, scale))
    ]
    drawing = ImageDraw.Draw(canvas)
    for label in things:
        _outline(drawing, label, unit)
    # Red last, so that it lies on top.
    people.sort(key=lambda label: label.colour == RED)
    for label in people:
        _outline(drawing, label, 2 * unit)
    listed = _place_labels(drawing, canvas.size, people, things, faces, unit)
    return _with_band(canvas, caption, listed, unit)


# ---- labels ----


def _person_label(person: Mapping[str, Any], zone: str | None, scale: float) -> _Label:
    violations = [one for one in person["violations"] if one["zone"] == zone]
    lines = [f"Person {person['index']}  {person['confidence']:.2f}"]
    for one in violations:
        how = " inferred" if one["inferred"] else ""
        lines.append(f"{_title(one['class_name'])}  {one['confidence']:.2f}{how}")
    colour = COLOURS[person["verdict"]]
    if not violations and person["verdict"] == "violation":
        lines.append("not of this incident")
        colour = GREY
    elif not violations:
        lines.append(str(person["verdict"]))
    return _Label(_scaled(person["bbox"], scale), tuple(dict.fromkeys(lines)), colour)


def _equipment_label(
    detection: Mapping[str, Any],
    people: Sequence[Mapping[str, Any]],
    zone: str | None,
    scale: float,
) -> _Label | None:
    """The label of a piece of equipment; None for a person's own box."""
    name = str(detection["class_name"])
    role = role_of(name)
    if role is None or role.item is None:
        return None
    broken = {
        one["class_name"]
        for person in people
        if person["index"] == detection["person"]
        for one in person["violations"]
        if one["zone"] == zone
    }
    # An item that nobody wears is evidence neither for nor against anyone.
    colour = GREEN if detection["person"] is not None and role.present else GREY
    if detection["violation"] and VIOLATION_OF[role.item] in broken:
        colour = RED
    text = f"{name}  {detection['confidence']:.2f}"
    owner = f"(person {detection['person']})" if detection["person"] is not None else ""
    return _Label(_scaled(detection["bbox"], scale), (text,), colour, owner)


def _place_labels(
    drawing: ImageDraw.ImageDraw,
    size: tuple[int, int],
    people: Sequence[_Label],
    things: Sequence[_Label],
    faces: Sequence[Sequence[float]],
    unit: int,
) -> list[_Label]:
    """Draw the labels that have a place, those in red first; the others are returned."""
    font = draw_font(max(13, 9 * unit))
    pad = 2 * unit + 1
    bodies = [label.box for label in people]
    hidden: list[Box] = [head_of(box) for box in bodies]
    hidden += [(face[0], face[1], face[2], face[3]) for face in faces]
    crowded = bodies + [label.box for label in things]
    listed = []
    for label in [*sorted(people, key=lambda one: one.colour != RED), *things]:
        text = "\n".join(label.lines)
        left, top, right, bottom = drawing.multiline_textbbox((0, 0), text, font=font)
        wanted = (right - left + 2 * pad, bottom - top + 2 * pad)
        place = place_label(label.box, wanted, size, hidden, crowded)
        if place is None:
            listed.append(label)
            continue
        hidden.append(place)
        drawing.rectangle(place, fill=label.colour)
        ink = INK if sum(label.colour) > 380 else WHITE
        at = (place[0] + pad - left, place[1] + pad - top)
        drawing.multiline_text(at, text, font=font, fill=ink)
    return listed


def _outline(drawing: ImageDraw.ImageDraw, label: _Label, width: int) -> None:
    x1, y1, x2, y2 = label.box
    drawing.rectangle([x1 - 1, y1 - 1, x2 + 1, y2 + 1], outline=INK, width=width + 2)
    drawing.rectangle([x1, y1, x2, y2], outline=label.colour, width=width)


def _scaled(box: Sequence[float], scale: float) -> Box:
    x1, y1, x2, y2 = (value * scale for value in box)
    return x1, y1, x2, y2


def _title(class_name: str) -> str:
    """`no_helmet` → `No helmet`."""
    known = class_name in DESCRIPTIONS
    return class_name.replace("_", " ").capitalize() if known else class_name


# ---- zone and band ----


def draw_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def outline_zone(
    canvas: Image.Image,
    polygon: Sequence[Point],
    unit: int,
    colour: Colour = RED,
    veil: int = 38,
) -> Image.Image:
    """The image with a zone's outline, and a veil of its colour (0 to 255) over it.

    Args:
        polygon: Corners as fractions of width and height.
        unit: Half the width of the outline, pixels.
    """
    width, height = canvas.size
    corners = [(x * (width - 1), y * (height - 1)) for x, y in polygon]
    veiled = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    ImageDraw.Draw(veiled).polygon(corners, fill=(*colour, veil))
    mixed = Image.alpha_composite(canvas.convert("RGBA"), veiled).convert("RGB")
    ImageDraw.Draw(mixed).line([*corners, corners[0]], fill=colour, width=2 * unit, joint="curve")
    return mixed


def _with_band(
    canvas: Image.Image, caption: Caption, listed: Sequence[_Label], unit: int
) -> Image.Image:
    """The image with a band of facts below it, and the labels that had no place on it."""
    size = max(14, 10 * unit)
    large, small = draw_font(size), draw_font(round(size * 0.8))
    zone = f"zone {caption.zone}" if caption.zone else "whole picture"
    head = ", ".join(name.replace("_", " ") for name in caption.classes).capitalize()
    facts = f"Camera {caption.camera_id}   |   {zone}   |   {caption.time}"
    lines = [(head, large, WHITE), (facts, small, WHITE)]
    for label in listed[:MAX_LISTED]:
        # Red and green letters are too dark on the band.
        colour = {RED: AMBER, GREEN: WHITE}.get(label.colour, label.colour)
        lines.append(("   ".join([*label.lines, label.owner]), small, colour))
    if len(listed) > MAX_LISTED:
        lines.append((f"and {len(listed) - MAX_LISTED} more", small, GREY))
    lines += [
        (f"Incident {caption.incident_id}", small, GREY),
        (f"Judged by {caption.model}", small, GREY),
    ]
    if caption.note:
        lines.append((caption.note, small, AMBER))
    return _add_band(canvas, lines, size, unit)


def with_lines(canvas: Image.Image, lines: Sequence[tuple[str, Colour]]) -> Image.Image:
    """The image with a band of texts below it."""
    unit = max(1, round(min(canvas.size) / 360))
    size = max(14, 10 * unit)
    # Red and green letters are too dark on the band.
    bright = {RED: (255, 120, 110), GREEN: (110, 210, 140)}
    rows = [(text, draw_font(round(size * 0.8)), bright.get(c, c)) for text, c in lines]
    return _add_band(canvas, rows, size, unit)


def _add_band(
    canvas: Image.Image, lines: Sequence[tuple[str, Any, Colour]], size: int, unit: int
) -> Image.Image:
    width, height = canvas.size
    pad = size * 2 // 3
    step = round(size * 1.4)
    framed = Image.new("RGB", (width, height + step * len(lines) + 2 * pad), INK)
    framed.paste(canvas, (0, 0))
    drawing = ImageDraw.Draw(framed)
    drawing.rectangle([0, height, width, height + max(2, unit)], fill=RED)
    for number, (text, font, colour) in enumerate(lines):
        at = (pad, height + pad + number * step)
        drawing.text(at, _shorten(drawing, text, font, width - 2 * pad), font=font, fill=colour)
    return framed


def _shorten(drawing: ImageDraw.ImageDraw, text: str, font: Any, width: int) -> str:
    if drawing.textlength(text, font=font) <= width:
        return text
    while text and drawing.textlength(f"{text}...", font=font) > width:
        text = text[:-1]
    return f"{text}..."
