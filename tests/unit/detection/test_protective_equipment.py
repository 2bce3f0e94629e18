"""A frame in the shape of Rekognition's answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from functions.detection.judging.assessment import assess
from functions.detection.judging.rekognition import (
    MAX_PERSONS,
    EquipmentType,
    protective_equipment,
)
from functions.detection.policy import parse_policy
from tests.unit.detection.builders import HEAD, PPE, SIZE, STANDING, Found, moved

MODEL = {"name": "best", "sha256": "ab" * 32}
LEFT_IN_PICTURE = (190.0, 240.0, 210.0, 262.0)
RIGHT_IN_PICTURE = (290.0, 240.0, 310.0, 262.0)


def answer(
    found: Found,
    policy: bytes = b"defaults: {required: [helmet]}",
    min_confidence: float = 50,
    required: tuple[EquipmentType, ...] = ("HEAD_COVER",),
) -> dict[str, Any]:
    frame = assess(
        "frames/gate/x.jpg",
        "gate",
        datetime(2026, 11, 2, 12, tzinfo=UTC),
        found,
        found.names,
        SIZE,
        parse_policy(policy)
        .rules("gate")
        .on_frame(datetime(2026, 11, 2, 12, tzinfo=UTC), ZoneInfo("UTC"), SIZE),
    )
    shaped = protective_equipment(frame.result, SIZE, MODEL, min_confidence, required)
    return shaped.model_dump(by_alias=True, mode="json")


def summary(shaped: dict[str, Any]) -> tuple[list[int], list[int], list[int]]:
    lists = shaped["Summary"]
    return (
        lists["PersonsWithRequiredEquipment"],
        lists["PersonsWithoutRequiredEquipment"],
        lists["PersonsIndeterminate"],
    )


def test_a_frame_without_people_gives_empty_lists() -> None:
    shaped = answer(Found())
    assert shaped["Persons"] == []
    assert summary(shaped) == ([], [], [])
    assert shaped["ProtectiveEquipmentModelVersion"] == "best@abababababab"


def test_names_and_units_match_rekognition() -> None:
    shaped = answer(Found().add("Person", STANDING, 0.95).add("helmet", HEAD, 0.9))
    [person] = shaped["Persons"]
    assert person == {
        "BodyParts": [
            {
                "Name": "HEAD",
                "Confidence": 90.0,
                "EquipmentDetections": [
                    {
                        "BoundingBox": {
                            "Width": 0.0625,
                            "Height": 0.09375,
                            "Left": 0.359375,
                            "Top": 0.208333,
                        },
                        "Confidence": 90.0,
                        "Type": "HEAD_COVER",
                        "CoversBodyPart": {"Confidence": 90.0, "Value": True},
                    }
                ],
            }
        ],
        "BoundingBox": {"Width": 0.15625, "Height": 0.625, "Left": 0.3125, "Top": 0.208333},
        "Confidence": 95.0,
        "Id": 0,
    }
    assert summary(shaped) == ([0], [], [])


@pytest.mark.parametrize(
    ("names", "boxes", "lists"),
    [
        (PPE, [("Person", STANDING, 0.9), ("helmet", HEAD, 0.9)], ([0], [], [])),
        (PPE, [("Person", STANDING, 0.9), ("no_helmet", HEAD, 0.9)], ([], [0], [])),
        (PPE, [("Person", STANDING, 0.9)], ([], [], [0])),
        # Known only from the bare head.
        (PPE, [("no_helmet", HEAD, 0.9)], ([], [0], [])),
        (("person", "helmet"), [("person", STANDING, 0.9)], ([], [0], [])),
        (("person",), [("person", STANDING, 0.9)], ([], [], [0])),
        # Too unsure, the person or the helmet.
        (PPE, [("Person", STANDING, 0.4), ("helmet", HEAD, 0.9)], ([], [], [0])),
        (PPE, [("Person", STANDING, 0.9), ("helmet", HEAD, 0.4)], ([], [], [0])),
        # In doubt.
        (
            ("person", "helmet"),
            [("person", STANDING, 0.9), ("helmet", moved(HEAD, dx=45), 0.9)],
            ([], [], [0]),
        ),
    ],
)
@pytest.mark.parametrize("policy", [b"defaults: {required: [helmet]}"])
def test_each_person_is_with_without_or_indeterminate(
    names: tuple[str, ...],
    boxes: list[tuple[str, tuple[float, float, float, float], float]],
    lists: tuple[list[int], list[int], list[int]],
    policy: bytes,
) -> None:
    found = Found(names)
    for name, box, score in boxes:
        found.add(name, box, score)
    assert summary(answer(found, policy)) == lists


def test_items_that_the_policy_does_not_require_are_read_from_the_boxes() -> None:
    free = b"defaults: {required: []}"
    worn = Found().add("Person", STANDING).add("helmet", HEAD)
    assert summary(answer(worn, free)) == ([0], [], [])
    assert summary(answer(Found().add("Person", STANDING), free)) == ([], [], [0])


def test_a_head_with_an_inferred_missing_helmet_is_listed_without_equipment() -> None:
    [person] = answer(Found(("person", "helmet")).add("person", STANDING, 0.9))["Persons"]
    assert person["BodyParts"] == [{"Name": "HEAD", "Confidence": 72.0, "EquipmentDetections": []}]


def test_hands_are_named_as_if_the_person_faces_the_camera() -> None:
    found = Found().add("Person", STANDING)
    found.add("gloves", LEFT_IN_PICTURE, 0.8).add("no_gloves", RIGHT_IN_PICTURE, 0.7)
    [person] = answer(found)["Persons"]
    parts = {part["Name"]: len(part["EquipmentDetections"]) for part in person["BodyParts"]}
    assert parts == {"RIGHT_HAND": 1, "LEFT_HAND": 0}


@pytest.mark.parametrize(
    ("required", "lists"),
    [
        ((), ([0], [], [])),
        (("HEAD_COVER",), ([0], [], [])),
        (("HEAD_COVER", "HEAD_COVER"), ([0], [], [])),
        (("HAND_COVER",), ([], [], [0])),
        (("HEAD_COVER", "HAND_COVER"), ([], [], [0])),
        # No model here knows masks.
        (("FACE_COVER",), ([], [], [0])),
    ],
)
def test_all_required_equipment_must_be_worn(
    required: tuple[EquipmentType, ...], lists: tuple[list[int], list[int], list[int]]
) -> None:
    found = Found().add("Person", STANDING).add("helmet", HEAD)
    assert summary(answer(found, required=required)) == lists


def test_min_confidence_limits_the_summary_and_not_the_persons() -> None:
    found = Found().add("Person", STANDING, 0.9).add("helmet", HEAD, 0.7)
    shaped = answer(found, min_confidence=80)
    assert summary(shaped) == ([], [], [0])
    assert len(shaped["Persons"][0]["BodyParts"]) == 1


def test_the_fifteen_most_confident_persons_are_listed() -> None:
    found = Found(("person",))
    for n in range(20):
        found.add("person", (30.0 * n, 100.0, 30.0 * n + 25, 300.0), 0.5 + n / 50)
    shaped = answer(found)
    assert [person["Id"] for person in shaped["Persons"]] == list(range(5, 5 + MAX_PERSONS))
    assert sum(map(len, summary(shaped))) == MAX_PERSONS
