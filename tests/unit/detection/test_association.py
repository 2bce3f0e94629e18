"""Which equipment belongs to whom."""

from __future__ import annotations

import random

import pytest

from functions.detection.judging.association import Found as Thing
from functions.detection.judging.association import fitness
from functions.detection.judging.equipment import Item, Role, Vocabulary, role_of
from tests.unit.detection.builders import COCO, HEAD, PPE, STANDING, TORSO, Found, moved


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Person", Role(None)),
        ("worker", Role(None)),
        ("helmet", Role(Item.HELMET)),
        ("Hardhat", Role(Item.HELMET)),
        ("NO-Hardhat", Role(Item.HELMET, present=False)),
        ("NO-Safety Vest", Role(Item.VEST, present=False)),
        ("no_goggle", Role(Item.GOGGLES, present=False)),
        ("no_goggles", Role(Item.GOGGLES, present=False)),
        ("no_gloves", Role(Item.GLOVES, present=False)),
        ("Safety Vest", Role(Item.VEST)),
        ("none", None),
        ("NO-Mask", None),
        ("face", None),
        ("car", None),
        ("", None),
    ],
)
def test_class_names_of_several_data_sets_mean_the_same(name: str, role: Role | None) -> None:
    assert role_of(name) == role


def test_construction_ppe_has_a_class_for_a_worn_vest_but_none_for_a_missing_one() -> None:
    words = Vocabulary.of(PPE)
    assert Item.VEST in words.worn
    assert Item.VEST not in words.missing
    assert words.people


def test_an_empty_frame_has_no_people() -> None:
    assert Found().people() == []
    assert Found(COCO).add("car", STANDING).people() == []


def test_a_helmet_on_the_head_is_worn_and_one_at_the_feet_is_not() -> None:
    worn = Found().add("Person", STANDING).add("helmet", HEAD).people()
    assert [thing.item for thing in worn[0].equipment] == [Item.HELMET]
    held = Found().add("Person", STANDING).add("helmet", moved(HEAD, dy=250)).people()
    assert held[0].equipment == []


def test_in_a_crowd_each_helmet_goes_to_the_head_it_fits_best() -> None:
    neighbour = moved(STANDING, dx=45)
    found = (
        Found()
        .add("Person", STANDING)
        .add("Person", neighbour)
        # Overlaps both head regions, and comes first.
        .add("helmet", moved(HEAD, dx=40), 0.7)
        .add("helmet", moved(HEAD, dx=2), 0.6)
    )
    left, right = found.people()
    assert [thing.score for thing in left.equipment] == [0.6]
    assert [thing.score for thing in right.equipment] == [0.7]


def test_one_head_wears_one_helmet_but_two_hands_wear_two_gloves() -> None:
    hands = (205.0, 240.0, 225.0, 265.0), (275.0, 240.0, 295.0, 265.0)
    found = Found().add("Person", STANDING).add("helmet", HEAD).add("helmet", moved(HEAD, dx=3))
    for hand in hands:
        found.add("gloves", hand)
    [person] = found.people()
    assert sorted(thing.item for thing in person.equipment) == ["gloves", "gloves", "helmet"]


def test_a_missing_helmet_without_a_person_implies_one() -> None:
    [person] = Found().add("no_helmet", HEAD, 0.8).people()
    assert person.detection is None
    assert person.score == 0.8
    x1, y1, x2, y2 = person.box
    assert x1 < HEAD[0] < HEAD[2] < x2
    assert y1 == HEAD[1]
    assert y2 == pytest.approx(HEAD[1] + 7 * 45)


def test_two_missing_items_of_one_head_imply_one_person() -> None:
    found = Found().add("no_helmet", HEAD).add("no_goggle", moved(HEAD, dy=12), 0.95)
    [person] = found.people()
    assert len(person.equipment) == 2


def test_a_worn_helmet_without_a_person_implies_nobody() -> None:
    assert Found().add("helmet", HEAD).people() == []


def test_people_and_their_equipment_do_not_depend_on_the_order_of_the_boxes() -> None:
    boxes = [
        ("Person", STANDING, 0.9),
        ("Person", moved(STANDING, dx=50), 0.9),
        ("helmet", moved(HEAD, dx=25), 0.9),
        ("vest", TORSO, 0.8),
        ("no_helmet", moved(HEAD, dx=300), 0.6),
    ]

    def outcome(order: list[tuple[str, tuple[float, float, float, float], float]]) -> object:
        found = Found()
        for name, box, score in order:
            found.add(name, box, score)
        return [(p.box, sorted((t.item, t.box) for t in p.equipment)) for p in found.people()]

    expected = outcome(boxes)
    for seed in range(20):
        random.Random(seed).shuffle(boxes)
        assert outcome(boxes) == expected


@pytest.mark.parametrize(
    ("person", "expected"),
    [((0.0, 0.0, 0.0, 0.0), 0.0), ((500.0, 0.0, 600.0, 300.0), 0.0)],
)
def test_an_empty_or_distant_box_fits_no_item(
    person: tuple[float, float, float, float], expected: float
) -> None:
    assert fitness(Thing(0, Item.HELMET, True, 0.9, HEAD), person) == expected


@pytest.mark.parametrize(
    ("item", "box", "owner"),
    [
        # Of a person of 100 x 300 pixels at (200, 100).
        ("helmet", HEAD, "theirs"),
        ("helmet", moved(HEAD, dy=-25), "theirs"),
        ("helmet", moved(HEAD, dx=20), "theirs"),
        ("helmet", moved(HEAD, dx=45), "doubtful"),
        ("helmet", moved(HEAD, dy=45), "doubtful"),
        ("helmet", moved(HEAD, dx=75), "nobody's"),
        ("helmet", moved(HEAD, dy=120), "nobody's"),
        # A helmet of ten pixels on a head of forty is that of somebody far behind.
        ("helmet", (245.0, 115.0, 255.0, 122.0), "doubtful"),
        # One as wide as the person is that of somebody nearer.
        ("helmet", (190.0, 60.0, 310.0, 200.0), "doubtful"),
        ("vest", TORSO, "theirs"),
        ("vest", moved(TORSO, dx=12, dy=15), "theirs"),
        ("vest", moved(TORSO, dx=50), "doubtful"),
        ("vest", moved(TORSO, dx=100), "nobody's"),
        ("vest", moved(TORSO, dy=150), "nobody's"),
        ("boots", (215.0, 370.0, 245.0, 400.0), "theirs"),
        ("boots", (215.0, 120.0, 245.0, 150.0), "nobody's"),
        ("gloves", (190.0, 240.0, 210.0, 262.0), "theirs"),
        ("gloves", (120.0, 240.0, 140.0, 262.0), "nobody's"),
        ("goggles", (235.0, 118.0, 265.0, 128.0), "theirs"),
        ("goggles", (235.0, 240.0, 265.0, 250.0), "nobody's"),
    ],
)
def test_an_item_is_assigned_doubtful_or_unassigned_by_position_and_size(
    item: str, box: tuple[float, float, float, float], owner: str
) -> None:
    [person] = Found().add("Person", STANDING).add(item, box).people()
    lists = {"theirs": person.equipment, "doubtful": person.doubtful}
    assert {name for name, things in lists.items() if things} == {owner} - {"nobody's"}


def test_a_missing_item_is_never_in_doubt() -> None:
    [person] = Found().add("Person", STANDING).add("no_helmet", moved(HEAD, dy=45)).people()
    assert [thing.present for thing in person.equipment] == [False]
    assert person.doubtful == []


def test_a_helmet_on_two_heads_in_one_place_is_given_to_one_and_in_doubt_for_the_other() -> None:
    found = Found().add("Person", STANDING).add("Person", moved(STANDING, dx=8))
    left, right = found.add("helmet", moved(HEAD, dx=1)).people()
    assert (len(left.equipment), len(left.doubtful)) == (1, 0)
    assert (len(right.equipment), len(right.doubtful)) == (0, 1)


def test_where_a_model_knows_no_people_every_head_is_one() -> None:
    for names, expected in (
        (("helmet", "head"), [True, False]),
        (("helmet", "head", "person"), [False]),
    ):
        found = Found(names).add("helmet", HEAD).add("head", moved(HEAD, dx=200))
        assert [person.equipment[0].present for person in found.people()] == expected
