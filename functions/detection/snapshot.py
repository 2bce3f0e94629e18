"""A camera's latest judged image with the policy's zones drawn on it, faces blurred."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import cv2
import numpy as np
from PIL import Image, ImageDraw

from functions.detection.incidents.drawing import (
    AMBER,
    GREEN,
    GREY,
    INK,
    RED,
    WHITE,
    Colour,
    draw_font,
    outline_zone,
    with_lines,
)
from functions.detection.incidents.evidence import JPEG_QUALITY, blur_faces, scaled
from functions.detection.judging.polygons import snap_to_border
from functions.detection.repository.cameras import get_last_frame_times
from functions.detection.repository.frames import get_frame_with_model
from hearth.errors import HearthError, NotFound
from hearth.frames import frame_key
from hearth_vision.images import ImageLimits, decode_image, encode_jpeg

if TYPE_CHECKING:
    from functions.detection.incidents.evidence import FaceFinder
    from functions.detection.policy import CameraRules, Policy, Zone
    from functions.detection.queries import Storage

WHOLE_IMAGE: Final = "whole image"
Line = tuple[str, Colour]


class SnapshotService:
    """Draws snapshots.

    Args:
        storage: Database and object store.
        policy: The policy in force.
        faces: Finds the faces to blur, or says why none is blurred.
        site: Time zone of the site.
        limits: Bounds on the stored image.
    """

    def __init__(
        self,
        storage: Storage,
        policy: Callable[[], Policy],
        faces: Callable[[], tuple[FaceFinder | None, str | None]],
        site: ZoneInfo,
        limits: ImageLimits,
    ) -> None:
        self._storage = storage
        self._policy = policy
        self._faces = faces
        self._site = site
        self._limits = limits

    def draw(self, camera_id: str) -> bytes:
        """The latest judged image of a camera, as JPEG; zones that do not apply at its time of day
        are grey.

        Raises:
            NotFound: nothing of the camera was judged, or its latest image has expired.
        """
        captured_at, result = self._storage.db.read(lambda tx: self._latest(tx, camera_id))
        data = self._storage.store.get(frame_key(camera_id, captured_at), self._limits.max_bytes)
        image = decode_image(data, self._limits)
        faces, note = self._faces()
        if faces is not None:
            people = [person["bbox"] for person in (result or {"persons": ()})["persons"]]
            image, _ = blur_faces(image, people, faces)
        image, _ = scaled(image)
        canvas = Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        local = captured_at.astimezone(self._site)
        lines: list[Line] = [(f"Camera {camera_id}   |   {local:%Y-%m-%d %H:%M:%S %Z}", WHITE)]
        try:
            rules = self._policy().rules(camera_id)
        except HearthError as error:
            lines.append((f"No zones: {error.message}", AMBER))
        else:
            canvas, legend = draw_zones(canvas, rules, local)
            lines += legend
        lines += [(note, AMBER)] if note else []
        bgr = cv2.cvtColor(np.asarray(with_lines(canvas, lines)), cv2.COLOR_RGB2BGR)
        return encode_jpeg(np.asarray(bgr, np.uint8), JPEG_QUALITY)

    @staticmethod
    def _latest(tx: Any, camera_id: str) -> tuple[datetime, dict[str, Any] | None]:
        captured_at = get_last_frame_times(tx, [camera_id]).get(camera_id)
        if captured_at is None:
            raise NotFound(f"camera {camera_id!r} has sent no image that was judged")
        frame = get_frame_with_model(tx, frame_key(camera_id, captured_at))
        return captured_at, None if frame is None else frame.result


def draw_zones(
    canvas: Image.Image, rules: CameraRules, local: datetime
) -> tuple[Image.Image, list[Line]]:
    """The image with zones, masks and region, and what each asks; `local` is the site's time."""
    unit = max(1, round(min(canvas.size) / 360))
    width, height = canvas.size
    legend: list[Line] = []
    asked = _words(restricted=rules.restricted, free=False, required=rules.required)
    legend.append((f"{WHOLE_IMAGE}: {asked}", WHITE))
    labels: list[tuple[tuple[float, float], str, Colour]] = []
    for zone in rules.zones:
        active = zone.active(local)
        colour = _colour(zone) if active else GREY
        corners = snap_to_border(zone.polygon or ((0, 0), (1, 0), (1, 1), (0, 1)))
        canvas = outline_zone(canvas, corners, unit, colour)
        for mask in zone.masks:
            canvas = outline_zone(canvas, mask, unit, INK, veil=150)
        required = rules.required if zone.required is None else zone.required
        words = _words(restricted=zone.restricted, free=zone.free, required=required)
        legend.append((f"{zone.name}: {words}{'' if active else ', not at this time'}", colour))
        x, y = min(corners, key=lambda corner: (corner[1], corner[0]))
        labels.append(((x * width, y * height), zone.name, colour))
    drawing = ImageDraw.Draw(canvas)
    if rules.region is not None:
        left, top, right, bottom = rules.region
        box = (left * width, top * height, right * width - 1, bottom * height - 1)
        drawing.rectangle(box, outline=WHITE, width=unit)
        legend.append(("white frame: the region that the detector sees", WHITE))
    if any(zone.masks for zone in rules.zones):
        legend.append(("dark: masks, where nobody counts as in the zone", GREY))
    for at, text, colour in labels:
        _label(drawing, canvas.size, at, text, colour, unit)
    return canvas, legend


def _label(
    drawing: ImageDraw.ImageDraw,
    size: tuple[int, int],
    at: tuple[float, float],
    text: str,
    colour: Colour,
    unit: int,
) -> None:
    """A plate with a zone's name beside its uppermost corner, inside the image."""
    font, pad = draw_font(max(13, 9 * unit)), 2 * unit + 1
    left, top, right, bottom = drawing.textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = max(0.0, min(at[0], size[0] - width))
    y = max(0.0, min(at[1], size[1] - height))
    drawing.rectangle((x, y, x + width, y + height), fill=colour)
    ink = INK if sum(colour) > 380 else WHITE
    drawing.text((x + pad - left, y + pad - top), text, font=font, fill=ink)


def _colour(zone: Zone) -> Colour:
    if zone.free:
        return GREEN
    return RED if zone.restricted else AMBER


def _words(*, restricted: bool, free: bool, required: tuple[str, ...]) -> str:
    """What a place asks of people."""
    if free:
        return "free of the camera's rules"
    asked = ["nobody may be here"] if restricted else []
    asked += [f"{', '.join(required)} required"] if required else []
    return "; ".join(asked) or "nothing is required"
