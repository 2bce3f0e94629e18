"""Zones as polygons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.detection.judging.polygons import (
    Point,
    contains,
    is_simple,
    signed_area,
    snap_to_border,
)

SQUARE = [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]
HOLLOW = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.3), (0.0, 1.0)]


@pytest.mark.parametrize(
    ("polygon", "point", "inside"),
    [
        (SQUARE, (0.5, 0.5), True),
        (SQUARE, (0.1, 0.5), False),
        (SQUARE, (0.9, 0.5), False),
        (SQUARE, (0.2, 0.5), True),  # on an edge
        (SQUARE, (0.8, 0.8), True),  # on a corner
        (HOLLOW, (0.5, 0.5), False),  # in the notch
        (HOLLOW, (0.1, 0.5), True),
        (HOLLOW, (0.5, 0.3), True),
    ],
)
def test_a_point_is_inside_or_on_the_outline(
    polygon: list[Point], point: Point, inside: bool
) -> None:
    assert contains(polygon, point) is inside


@pytest.mark.parametrize(
    ("polygon", "simple"),
    [
        (SQUARE, True),
        (HOLLOW, True),
        (SQUARE[:3], True),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], False),
        ([(0, 0), (1, 0), (0.5, 0)], False),
        ([(0, 0), (1, 0), (1, 1), (0, 0)], False),
        ([(0, 0), (1, 0), (0.4, 0), (0.4, 1)], False),  # an edge folded back
    ],
)
def test_outlines_that_cross_or_fold_are_not_simple(polygon: list[Point], simple: bool) -> None:
    assert is_simple(polygon) is simple


fractions = st.integers(0, 100).map(lambda n: n / 100)


@given(st.lists(st.tuples(fractions, fractions), min_size=3, max_size=3, unique=True))
def test_the_centre_of_every_triangle_is_inside_it(corners: list[Point]) -> None:
    if abs(signed_area(corners)) > 1e-6:
        centre = sum(x for x, _ in corners) / 3, sum(y for _, y in corners) / 3
        assert is_simple(corners)
        assert contains(corners, centre)
        assert contains(corners[::-1], centre)


def test_corners_near_the_border_lie_on_it() -> None:
    drawn = [(0.55, 0.4), (0.98, 0.4), (0.985, 0.98), (0.5, 0.979)]
    assert snap_to_border(drawn) == ((0.55, 0.4), (1.0, 0.4), (1.0, 1.0), (0.5, 0.979))
    assert snap_to_border([(0.02, 0.01), (0.5, 0.0), (0.3, 0.3)])[0] == (0.0, 0.0)


def test_a_strip_along_the_border_does_not_vanish() -> None:
    strip = [(0.1, 0.985), (0.9, 0.985), (0.9, 0.995), (0.1, 0.995)]
    assert snap_to_border(strip) == tuple(strip)
