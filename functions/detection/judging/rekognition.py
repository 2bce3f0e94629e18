"""A stored frame in the shape of Rekognition's DetectProtectiveEquipment, for users who migrate.

Field names and meanings are Rekognition's ("Detecting personal protective equipment", its developer
guide), so that a program that reads its answers reads these. What differs:

- A body part is listed where this model's boxes or the judgement of the frame show it: HEAD for
  helmets, LEFT_HAND and RIGHT_HAND for gloves. FACE is never listed: no model here knows masks.
- Hands are named as of somebody who faces the camera: the one to the left in the image is right.
- Vests, goggles and boots have no type there; the incident's own answer has them.
- The summary never guesses: who is hidden, cut off, too small or in doubt is indeterminate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from functions.detection.judging.equipment import Item, role_of

MAX_PERSONS: Final = 15

EquipmentType = Literal["HEAD_COVER", "HAND_COVER", "FACE_COVER"]
BodyPartName = Literal["FACE", "HEAD", "LEFT_HAND", "RIGHT_HAND"]
ITEMS: Final[dict[EquipmentType, Item | None]] = {
    "HEAD_COVER": Item.HELMET,
    "HAND_COVER": Item.GLOVES,
    "FACE_COVER": None,
}


class _Pascal(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_pascal, populate_by_name=True, extra="forbid"
    )


class BoundingBox(_Pascal):
    """Fractions of the image's width and height."""

    width: float
    height: float
    left: float
    top: float


class CoversBodyPart(_Pascal):
    confidence: float
    value: bool


class EquipmentDetection(_Pascal):
    """`confidence` in 0..100, here and everywhere in this answer."""

    bounding_box: BoundingBox
    confidence: float
    type: EquipmentType
    covers_body_part: CoversBodyPart


class BodyPart(_Pascal):
    name: BodyPartName
    confidence: float
    equipment_detections: tuple[EquipmentDetection, ...]


class PersonDetail(_Pascal):
    body_parts: tuple[BodyPart, ...]
    bounding_box: BoundingBox
    confidence: float
    id: int


class Summary(_Pascal):
    """Each person's id stands in exactly one of the three lists."""

    persons_with_required_equipment: tuple[int, ...]
    persons_without_required_equipment: tuple[int, ...]
    persons_indeterminate: tuple[int, ...]


class ProtectiveEquipmentOut(_Pascal):
    protective_equipment_model_version: str
    persons: tuple[PersonDetail, ...] = Field(max_length=MAX_PERSONS)
    summary: Summary


def protective_equipment(
    result: Mapping[str, Any],
    size: tuple[int, int],
    model: Mapping[str, Any],
    min_confidence: float,
    required: Sequence[EquipmentType],
) -> ProtectiveEquipmentOut:
    """A stored frame in that shape.

    Args:
        result: As `assessment.assess` made it.
        size: (width, height) of the image, pixels.
        model: The description of the model that made it.
        min_confidence: 50..100; of people, parts and equipment that the summary counts.
        required: What a person needs; nothing at all is always worn.
    """
    best = sorted(result["persons"], key=lambda one: (-one["confidence"], one["index"]))
    people = sorted(best[:MAX_PERSONS], key=lambda one: one["index"])
    states = {
        person["index"] - 1: summary_state(result, person, min_confidence, required)
        for person in people
    }

    def ids(state: str) -> tuple[int, ...]:
        return tuple(number for number, found in states.items() if found == state)

    version = model["name"] + (f"@{model['sha256'][:12]}" if model["sha256"] else "")
    return ProtectiveEquipmentOut(
        protective_equipment_model_version=version,
        persons=tuple(
            PersonDetail(
                body_parts=_body_parts(result, person, size),
                bounding_box=_box(person["bbox"], size),
                confidence=_percent(person["confidence"]),
                id=person["index"] - 1,
            )
            for person in people
        ),
        summary=Summary(
            persons_with_required_equipment=ids("with"),
            persons_without_required_equipment=ids("without"),
            persons_indeterminate=ids("indeterminate"),
        ),
    )


def summary_state(
    result: Mapping[str, Any],
    person: Mapping[str, Any],
    min_confidence: float,
    required: Sequence[EquipmentType],
) -> Literal["with", "without", "indeterminate"]:
    """Where the summary lists a person: without, as soon as one item is known to be missing."""
    if _percent(person["confidence"]) < min_confidence:
        return "indeterminate"
    states = [_state(result, person, ITEMS[kind]) for kind in dict.fromkeys(required)]
    sure = {state for state, score in states if _percent(score) >= min_confidence}
    if "missing" in sure:
        return "without"
    worn = all(state == "worn" and _percent(score) >= min_confidence for state, score in states)
    return "with" if worn else "indeterminate"


def _state(
    result: Mapping[str, Any], person: Mapping[str, Any], item: Item | None
) -> tuple[str, float]:
    """worn, missing or indeterminate, and the score, of one item of one person."""
    for finding in person["findings"]:
        if finding["item"] == item:
            return finding["state"], finding["confidence"]
    # The site's policy does not ask for it, so it was not judged: only the boxes are left.
    scores: dict[str, float] = {}
    for present, found in _boxes(result, person, item):
        name = "worn" if present else "missing"
        scores[name] = max(found["confidence"], scores.get(name, 0.0))
    if len(scores) == 1:
        return next(iter(scores.items()))
    return "indeterminate", 0.0


def _boxes(
    result: Mapping[str, Any], person: Mapping[str, Any], item: Item | None
) -> list[tuple[bool, Mapping[str, Any]]]:
    """(shown worn, detection) of each box of an item that was given to a person."""
    found = []
    for one in result["detections"]:
        role = role_of(one["class_name"])
        mine = one["person"] == person["index"]
        if mine and item is not None and role is not None and role.item == item:
            found.append((role.present, one))
    return found


def _body_parts(
    result: Mapping[str, Any], person: Mapping[str, Any], size: tuple[int, int]
) -> tuple[BodyPart, ...]:
    middle = (person["bbox"][0] + person["bbox"][2]) / 2
    places: dict[BodyPartName, list[tuple[bool, Mapping[str, Any]]]] = {}
    for box in _boxes(result, person, Item.HELMET):
        places.setdefault("HEAD", []).append(box)
    for box in _boxes(result, person, Item.GLOVES):
        left = (box[1]["bbox"][0] + box[1]["bbox"][2]) / 2 < middle
        places.setdefault("RIGHT_HAND" if left else "LEFT_HAND", []).append(box)
    parts = []
    for name in ("HEAD", "LEFT_HAND", "RIGHT_HAND"):
        boxes = places.get(name, [])
        score = max((found["confidence"] for _, found in boxes), default=0.0)
        if name == "HEAD" and not boxes:
            # An absence that was inferred rests on a head in full view.
            state, score = _state(result, person, Item.HELMET)
            if state != "missing":
                continue
        elif not boxes:
            continue
        kind: EquipmentType = "HEAD_COVER" if name == "HEAD" else "HAND_COVER"
        worn = [
            EquipmentDetection(
                bounding_box=_box(found["bbox"], size),
                confidence=_percent(found["confidence"]),
                type=kind,
                covers_body_part=CoversBodyPart(
                    confidence=_percent(found["confidence"]), value=True
                ),
            )
            for present, found in boxes
            if present
        ]
        parts.append(
            BodyPart(name=name, confidence=_percent(score), equipment_detections=tuple(worn))
        )
    return tuple(parts)


def _box(bbox: Sequence[float], size: tuple[int, int]) -> BoundingBox:
    x1, y1, x2, y2 = bbox
    width, height = size
    return BoundingBox(
        width=round((x2 - x1) / width, 6),
        height=round((y2 - y1) / height, 6),
        left=round(x1 / width, 6),
        top=round(y1 / height, 6),
    )


def _percent(score: float) -> float:
    return round(score * 100, 2)
