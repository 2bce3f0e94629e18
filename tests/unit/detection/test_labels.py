"""Places of labels on evidence images."""

from __future__ import annotations

import random

import pytest

from functions.detection.incidents.labels import Box, head_of, overlap, place_label

CANVAS = (960.0, 540.0)


@pytest.mark.parametrize(
    "person",
    [
        pytest.param((400, 0, 500, 300), id="at the upper edge"),
        pytest.param((0, 0, 120, 540), id="in the corner, from top to bottom"),
        pytest.param((840, 200, 960, 540), id="at the right edge"),
        pytest.param((10, 2, 40, 60), id="small"),
        pytest.param((0, 400, 960, 540), id="as wide as the image"),
    ],
)
def test_a_label_stands_outside_its_box_and_inside_the_image(person: Box) -> None:
    place = place_label(person, (200, 44), CANVAS, [head_of(person)], [person])
    assert place is not None
    assert overlap(place, person) == 0
    assert place[0] >= 0
    assert place[1] >= 0
    assert place[2] <= CANVAS[0]
    assert place[3] <= CANVAS[1]


@pytest.mark.parametrize("person", [(0, 0, 960, 540), (30, 20, 930, 520)])
def test_who_fills_the_image_leaves_no_place_for_a_label(person: Box) -> None:
    assert place_label(person, (200, 44), CANVAS, [], []) is None


def test_a_label_wider_than_the_image_has_no_place() -> None:
    assert place_label((10, 10, 20, 20), (961, 44), CANVAS, [], []) is None


def test_no_label_of_a_crowd_covers_a_head_or_another_label() -> None:
    rng = random.Random(3)
    for _ in range(50):
        people: list[Box] = []
        for _ in range(8):
            x, y, height = rng.uniform(0, 900), rng.uniform(0, 400), rng.uniform(60, 300)
            people.append((x, y, min(960.0, x + height / 2.5), min(540.0, y + height)))
        hidden = [head_of(person) for person in people]
        for person in people:
            place = place_label(person, (150, 40), CANVAS, hidden, people)
            if place is not None:
                assert not any(overlap(place, box) for box in [person, *hidden])
                hidden.append(place)


def test_of_several_places_the_one_that_covers_fewest_people_is_taken() -> None:
    above: Box = (400, 100, 600, 200)
    place = place_label((400, 200, 500, 500), (100, 40), CANVAS, [], [above])
    assert place is not None
    assert overlap(place, above) == 0
