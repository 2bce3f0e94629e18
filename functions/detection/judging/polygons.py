"""Plane geometry of zones, in pure Python: a zone has a handful of corners."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

Point = tuple[float, float]

BORDER: Final = 0.02
"""A corner so near the border of the image was meant to lie on it, as a fraction of its sides."""


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """Whether `point` lies inside `polygon`; a point on the outline counts as inside.

    Even-odd rule (ray casting). The outline counts because a foot on a zone's edge is in it.
    """
    x, y = point
    inside = False
    previous = polygon[-1]
    for corner in polygon:
        if _on_segment(previous, corner, point):
            return True
        (x1, y1), (x2, y2) = previous, corner
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
        previous = corner
    return inside


def snap_to_border(polygon: Sequence[Point]) -> tuple[Point, ...]:
    """The polygon with the corners near the image's border on it.

    Nobody draws the last pixel row, and the feet of whoever stands nearest to the camera are there.
    """
    snapped = tuple((_snap(x), _snap(y)) for x, y in polygon)
    # A thin strip along the border would vanish.
    return snapped if abs(signed_area(snapped)) >= abs(signed_area(polygon)) else tuple(polygon)


def _snap(value: float) -> float:
    # 1 - 0.98 is a little more than 0.02 in floating point.
    return float(round(value)) if abs(value - round(value)) <= BORDER + 1e-9 else value


def is_simple(polygon: Sequence[Point]) -> bool:
    """Whether the closed outline has an area, repeats no corner and does not cross itself."""
    if len(set(polygon)) != len(polygon) or abs(signed_area(polygon)) < 1e-9:
        return False
    edges = [(polygon[i - 1], polygon[i]) for i in range(len(polygon))]
    for (i, first), (j, second) in combinations(enumerate(edges), 2):
        neighbours = j - i == 1 or (i == 0 and j == len(edges) - 1)
        if neighbours:
            shared = set(first) & set(second)
            loose = [p for p in (*first, *second) if p not in shared]
            # Neighbours may share their corner only: an edge folded back on the other overlaps it.
            if _on_segment(*first, loose[1]) or _on_segment(*second, loose[0]):
                return False
        elif _cross(*first, *second):
            return False
    return True


def signed_area(polygon: Sequence[Point]) -> float:
    """Shoelace formula; the sign is the direction of travel."""
    return 0.5 * sum(
        polygon[i - 1][0] * polygon[i][1] - polygon[i][0] * polygon[i - 1][1]
        for i in range(len(polygon))
    )


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _on_segment(a: Point, b: Point, p: Point) -> bool:
    return (
        abs(_turn(a, b, p)) < 1e-12
        and min(a[0], b[0]) <= p[0] <= max(a[0], b[0])
        and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])
    )


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    if any(
        (_on_segment(a, b, c), _on_segment(a, b, d), _on_segment(c, d, a), _on_segment(c, d, b))
    ):
        return True
    return (_turn(a, b, c) > 0) != (_turn(a, b, d) > 0) and (_turn(c, d, a) > 0) != (
        _turn(c, d, b) > 0
    )
