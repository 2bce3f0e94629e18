"""Places labels on an image so that none covers what it speaks of. Pure geometry, in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2."""

HEAD: Final = 0.25
"""The upper part of a person's box that holds the head: a standing figure has seven and a half
heads (Loomis), a seated or cut-off one fewer."""


def head_of(person: Box) -> Box:
    """The part of a person's box that holds the head."""
    x1, y1, x2, y2 = person
    return x1, y1, x2, y1 + HEAD * (y2 - y1)


def place_label(
    target: Box,
    label: tuple[float, float],
    canvas: tuple[float, float],
    hidden: Sequence[Box],
    crowded: Sequence[Box],
) -> Box | None:
    """Where a label beside its target covers nothing that must be seen.

    Args:
        target: The box that the label speaks of; it is never covered.
        label: The label's width and height.
        canvas: The image's width and height.
        hidden: Boxes that must stay visible: heads, faces, other labels.
        crowded: Boxes that should; the place that covers least of them is taken.

    Returns:
        None when there is no such place.
    """
    width, height = label
    if width > canvas[0] or height > canvas[1]:
        return None
    x1, y1, x2, y2 = target
    columns = (x1, (x1 + x2 - width) / 2, x2 - width)
    rows = (y1, (y1 + y2 - height) / 2, y2 - height)
    corners = [(x, y1 - height) for x in columns] + [(x, y2) for x in columns]
    corners += [(x2, y) for y in rows] + [(x1 - width, y) for y in rows]
    places = []
    for left, top in corners:
        left = min(max(0.0, left), canvas[0] - width)
        top = min(max(0.0, top), canvas[1] - height)
        place = (left, top, left + width, top + height)
        if not any(overlap(place, box) for box in (target, *hidden)):
            places.append(place)
    return min(places, key=lambda place: sum(overlap(place, box) for box in crowded), default=None)


def overlap(a: Box, b: Box) -> float:
    """Common area of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0
