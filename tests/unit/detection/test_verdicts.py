"""Compliant, violation or indeterminate, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from functions.detection.judging.assessment import assess
from functions.detection.judging.verdicts import INFERRED, Judged
from functions.detection.policy import parse_policy
from hearth.errors import InvalidInput
from tests.unit.detection.builders import (
    COCO,
    HEAD,
    SIZE,
    STANDING,
    TORSO,
    Found,
    moved,
)


def only(judged: list[Judged]) -> Judged:
    [one] = judged
    return one


def reasons(one: Judged) -> dict[str, str | None]:
    return {finding.item.value: finding.reason for finding in one.findings}


def classes(one: Judged) -> list[str]:
    return [violation.class_name for violation in one.violations]


def test_a_frame_without_people_has_no_verdict() -> None:
    assert Found().judged() == []


def test_helmet_and_vest_worn_is_compliant() -> None:
    found = Found().add("Person", STANDING).add("helmet", HEAD).add("vest", TORSO)
    assert only(found.judged()).verdict == "compliant"


def test_a_missing_helmet_that_the_model_showed_is_a_violation_with_its_score() -> None:
    found = Found().add("Person", STANDING).add("no_helmet", HEAD, 0.7).add("vest", TORSO)
    one = only(found.judged())
    assert one.verdict == "violation"
    assert [(v.class_name, v.score, v.inferred) for v in one.violations] == [
        ("no_helmet", 0.7, False)
    ]


def test_a_missing_vest_is_inferred_on_a_well_visible_person_with_lower_confidence() -> None:
    one = only(Found().add("Person", STANDING, 0.9).add("helmet", HEAD).judged())
    assert one.verdict == "violation"
    [violation] = one.violations
    assert violation.class_name == "no_vest"
    assert violation.inferred
    assert violation.score == pytest.approx(0.9 * INFERRED)


@pytest.mark.parametrize(
    ("box", "score", "reason"),
    [
        ((200.0, 100.0, 225.0, 170.0), 0.9, "the person is 70 pixels tall; 80 are needed"),
        ((0.0, 100.0, 100.0, 400.0), 0.9, "the person is cut off by the edge of the picture"),
        ((540.0, 100.0, 640.0, 400.0), 0.9, "the person is cut off by the edge of the picture"),
        ((200.0, 0.0, 300.0, 300.0), 0.9, "the person is cut off by the edge of the picture"),
        (
            (200.0, 400.0, 300.0, 480.0),
            0.9,
            "only the upper part of the person is in the picture",
        ),
        (STANDING, 0.4, "the person scores 0.40, below 0.5"),
    ],
)
def test_a_missing_vest_is_not_inferred_on_a_badly_visible_person(
    box: tuple[float, float, float, float], score: float, reason: str
) -> None:
    one = only(Found().add("Person", box, score).judged("defaults: {required: [vest]}"))
    assert one.verdict == "indeterminate"
    assert reasons(one) == {"vest": reason}


def test_a_missing_vest_is_not_inferred_behind_another_person() -> None:
    nearer = (205.0, 120.0, 315.0, 470.0)
    found = Found().add("Person", STANDING).add("Person", nearer).add("vest", moved(TORSO, 15, 40))
    behind = next(
        one for one in found.judged("defaults: {required: [vest]}") if one.person.box == STANDING
    )
    assert reasons(behind)["vest"] == "another person hides the place where it is worn"


@pytest.mark.parametrize("shift", [45, -45])
def test_a_helmet_of_doubtful_owner_is_indeterminate(shift: float) -> None:
    found = Found(("person", "helmet")).add("person", STANDING)
    found.add("helmet", moved(HEAD, dx=shift))
    one = only(found.judged("defaults: {required: [helmet]}"))
    assert one.verdict == "indeterminate"
    assert reasons(one) == {"helmet": "one nearby may be this person's or another's"}


def test_two_overlapping_heads_with_one_helmet_are_no_violation() -> None:
    found = Found(("person", "helmet")).add("person", STANDING)
    found.add("person", moved(STANDING, dx=8)).add("helmet", moved(HEAD, dx=1))
    verdicts = [one.verdict.value for one in found.judged("defaults: {required: [helmet]}")]
    assert verdicts == ["compliant", "indeterminate"]


@pytest.mark.parametrize(
    ("nearer", "verdict"),
    [
        ((400.0, 120.0, 500.0, 470.0), "violation"),  # beside
        ((240.0, 300.0, 340.0, 470.0), "violation"),  # in front of the legs
        ((190.0, 90.0, 310.0, 470.0), "indeterminate"),  # in front of all
        ((200.0, 100.0, 250.0, 470.0), "indeterminate"),  # in front of half the head
        ((190.0, 90.0, 310.0, 390.0), "violation"),  # farther away: stands higher
    ],
)
def test_a_person_in_front_hides_the_head_they_cover(
    nearer: tuple[float, float, float, float], verdict: str
) -> None:
    found = Found(("person", "helmet")).add("person", STANDING).add("person", nearer)
    judged = found.judged("defaults: {required: [helmet]}")
    assert next(one for one in judged if one.person.box == STANDING).verdict == verdict


def test_no_missing_vest_is_inferred_for_a_person_inferred_from_a_missing_helmet() -> None:
    one = only(Found().add("no_helmet", HEAD, 0.8).judged())
    assert classes(one) == ["no_helmet"]
    assert reasons(one)["vest"] == "the person was inferred from equipment, not seen whole"


def test_equipment_that_the_model_has_no_class_for_is_indeterminate_never_missing() -> None:
    one = only(Found(COCO).add("person", STANDING).judged())
    assert one.verdict == "indeterminate"
    assert set(reasons(one).values()) == {"the model has no class for it"}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("helmet", "seen neither worn nor missing"),
        ("goggles", "seen neither worn nor missing"),
    ],
)
def test_an_item_with_both_classes_and_no_detection_is_indeterminate(
    item: str, reason: str
) -> None:
    found = Found().add("Person", STANDING)
    assert reasons(only(found.judged(f"defaults: {{required: [{item}]}}"))) == {item: reason}


def test_small_items_are_never_inferred_to_be_missing() -> None:
    found = Found(("person", "gloves")).add("person", STANDING)
    one = only(found.judged("defaults: {required: [gloves]}"))
    assert reasons(one) == {"gloves": "not seen, and too small to infer its absence"}


@pytest.mark.parametrize(
    ("worn", "missing", "verdict"),
    [(0.9, 0.6, "compliant"), (0.6, 0.9, "violation"), (0.65, 0.7, "indeterminate")],
)
def test_a_helmet_shown_worn_and_missing_follows_the_clearly_higher_score(
    worn: float, missing: float, verdict: str
) -> None:
    found = Found().add("Person", STANDING).add("helmet", HEAD, worn)
    found.add("no_helmet", HEAD, missing)
    assert only(found.judged("defaults: {required: [helmet]}")).verdict == verdict


def test_without_requirements_everyone_is_compliant() -> None:
    found = Found(COCO).add("person", STANDING)
    assert only(found.judged("defaults: {required: []}")).verdict == "compliant"


def test_a_restricted_camera_makes_everyone_a_violation_whatever_they_wear() -> None:
    found = Found().add("Person", STANDING, 0.8).add("helmet", HEAD).add("vest", TORSO)
    one = only(found.judged("defaults: {restricted: true}"))
    assert classes(one) == ["restricted_zone"]
    assert one.violations[0].score == 0.8


def test_nothing_is_inferred_for_a_person_cut_off_by_the_edge_of_the_region() -> None:
    [person] = Found(("person", "helmet")).add("person", STANDING).people()
    policy = b"{defaults: {required: [helmet]}, cameras: {gate: {region: [0, 0.21, 1, 1]}}}"
    rules = parse_policy(policy).rules("gate")
    frame = assess(
        "frames/gate/x.jpg",
        "gate",
        datetime(2026, 11, 2, 12, tzinfo=UTC),
        Found(("person", "helmet")).add("person", STANDING),
        ("person", "helmet"),
        SIZE,
        rules.on_frame(datetime(2026, 11, 2, 12, tzinfo=UTC), ZoneInfo("UTC"), SIZE),
    )
    assert rules.view(SIZE)[1] == 100 == person.box[1]
    assert frame.result["persons"][0]["findings"][0]["reason"] == (
        "the person is cut off by the edge of the picture"
    )


ZONES = """
cameras:
  gate:
    required: [helmet]
    zones:
      - {name: crane, restricted: true, polygon: [[0, 0.7], [1, 0.7], [1, 1], [0, 1]]}
      - {name: paint, required: [vest], polygon: [[0, 0.4], [1, 0.4], [1, 0.69], [0, 0.69]]}
"""


def test_the_feet_decide_who_is_in_a_zone() -> None:
    # The box of the first crosses all zones; its feet are in the crane's.
    first, second = STANDING, (400.0, 60.0, 480.0, 300.0)
    found = Found().add("Person", first).add("Person", second)
    crane, paint = found.judged(ZONES)
    assert crane.zones == ("crane",)
    assert [(v.zone, v.class_name) for v in crane.violations] == [("crane", "restricted_zone")]
    assert paint.zones == ("paint",)
    # The zone's own list replaces the camera's.
    assert list(reasons(paint)) == ["vest"]
    assert [(v.zone, v.class_name) for v in paint.violations] == [("paint", "no_vest")]


def test_people_below_the_camera_s_min_score_are_left_out() -> None:
    found = Found().add("Person", STANDING, 0.6)
    assert found.judged("defaults: {min_score: 0.7}") == []


def test_a_frame_result_is_plain_data_with_observations_by_zone() -> None:
    when = datetime(2026, 11, 2, 12, tzinfo=UTC)
    found = Found(COCO).add("person", STANDING, 0.87654321).add("car", TORSO)
    frame = assess(
        "frames/gate/x.jpg",
        "gate",
        when,
        found,
        COCO,
        SIZE,
        parse_policy(b"defaults: {required: [vest], restricted: true}")
        .rules("gate")
        .on_frame(datetime(2026, 11, 2, 12, tzinfo=UTC), ZoneInfo("UTC"), SIZE),
    )
    assert frame.persons == 1
    assert [d["class_name"] for d in frame.result["detections"]] == ["person"]
    assert frame.result["detections"][0]["confidence"] == 0.8765
    [seen] = frame.observations[None]
    assert (seen.class_name, seen.score, seen.person) == ("restricted_zone", 0.8765, 1)
    assert frame.result["persons"][0]["findings"][0]["state"] == "indeterminate"


def test_feet_below_the_lowest_drawn_edge_are_in_a_zone_that_reaches_it() -> None:
    policy = """
defaults: {required: []}
cameras:
  gate:
    zones:
      - name: crane
        polygon: [[0.2, 0.4], [0.8, 0.4], [0.8, 0.98], [0.2, 0.98]]
        restricted: true
"""
    at_the_border = (200.0, 100.0, 300.0, 480.0)
    [judged] = Found().add("Person", at_the_border).judged(policy)
    assert judged.zones == ("crane",)


def zoned(settings: str, camera: str = "required: []") -> str:
    polygon = "[[0.2, 0.5], [0.8, 0.5], [0.8, 1.0], [0.2, 1.0]]"
    zone = f"{{name: yard, polygon: {polygon}, {settings}}}"
    return f"cameras: {{gate: {{{camera}, zones: [{zone}]}}}}"


@pytest.mark.parametrize(
    ("settings", "zones"),
    [
        ("restricted: true", ("yard",)),
        ("restricted: true, point: centre", ("yard",)),
        ("restricted: true, point: head", ()),
        ("restricted: true, min_height: 0.625", ("yard",)),
        ("restricted: true, min_height: 0.63", ()),
        ("restricted: true, masks: [[[0.3, 0.8], [0.5, 0.8], [0.5, 0.9], [0.3, 0.9]]]", ()),
        ("restricted: true, masks: [[[0.6, 0.8], [0.7, 0.8], [0.7, 0.9]]]", ("yard",)),
    ],
)
def test_settings_of_a_zone_say_who_is_in_it(settings: str, zones: tuple[str, ...]) -> None:
    # The box is 300 of 480 pixels high, its centre at 0.52 and its foot at 0.83 of the height.
    assert only(Found().add("Person", STANDING).judged(zoned(settings))).zones == zones


def test_a_free_zone_takes_away_the_rules_of_a_restricted_camera() -> None:
    policy = zoned("free: true", "restricted: true, required: [helmet]")
    inside = only(Found().add("Person", STANDING).judged(policy))
    assert (inside.verdict, inside.violations, inside.findings) == ("compliant", (), ())
    outside = only(Found().add("Person", moved(STANDING, dx=330)).judged(policy))
    assert outside.violations[0].class_name == "restricted_zone"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("free: true, restricted: true", "is free; it cannot be restricted"),
        ("point: foot", "has no rule; give it restricted, required or free"),
        ("free: true, masks: [[[0.1, 0.1], [0.2, 0.2]]]", "mask 1 of zone 'yard' has 2 corners"),
    ],
)
def test_settings_of_a_zone_that_cannot_be_are_rejected(settings: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        parse_policy(zoned(settings).encode())
