"""How two sets of detections are compared."""

from __future__ import annotations

import numpy as np
import pytest

from hearth_models.agreement import MIN_OBJECTS, compare, judge
from hearth_models.record import Agreement
from hearth_vision.detections import Detections


def found(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


BOX = (0, 0, 10, 10)


@pytest.mark.parametrize(
    ("one", "other", "matched", "f1"),
    [
        (found(), found(), 0, 1.0),
        (found((*BOX, 0.9, 0)), found(), 0, 0.0),
        (found(), found((*BOX, 0.9, 0)), 0, 0.0),
        (found((*BOX, 0.9, 0)), found((*BOX, 0.8, 0)), 1, 1.0),
        # of another class, or elsewhere, it is another object
        (found((*BOX, 0.9, 0)), found((*BOX, 0.9, 1)), 0, 0.0),
        (found((*BOX, 0.9, 0)), found((20, 20, 30, 30, 0.9, 0)), 0, 0.0),
        # below the threshold it is not there
        (found((*BOX, 0.9, 0)), found((*BOX, 0.4, 0)), 0, 0.0),
        # each box is matched once
        (found((*BOX, 0.9, 0)), found((*BOX, 0.9, 0), (0, 0, 10, 9, 0.8, 0)), 1, 2 / 3),
    ],
)
def test_boxes_of_one_class_that_overlap_are_one_object(
    one: Detections, other: Detections, matched: int, f1: float
) -> None:
    agreement = compare([one], [other], 0.5, None)
    assert agreement.matched == matched
    assert agreement.f1 == pytest.approx(f1, abs=1e-4)


def test_the_largest_overlap_is_matched_first() -> None:
    one = found((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 14, 0.9, 0))
    other = found((0, 0, 10, 13, 0.9, 0), (0, 0, 10, 10, 0.9, 0))
    assert compare([one], [other], 0.5, None).iou_median == pytest.approx(
        (1 + 13 / 14) / 2, abs=1e-3
    )


def test_frames_with_people_are_counted_on_both_sides() -> None:
    with_person, without = found((*BOX, 0.9, 3)), found((*BOX, 0.9, 1))
    agreement = compare(
        [with_person, without, with_person], [without, without, with_person], 0.5, 3
    )
    assert agreement.frames_with_person == (2, 1)
    assert agreement.f1_person == pytest.approx(2 / 3, abs=1e-4)


def agreement(**fields: object) -> Agreement:
    perfect: dict[str, object] = {
        "frames": 100,
        "confidence": 0.5,
        "iou": 0.5,
        "original": 100,
        "variant": 100,
        "matched": 100,
        "f1": 1.0,
        "iou_median": 0.99,
        "score_difference_median": 0.0,
        "score_difference_max": 0.1,
        "frames_with_person": (50, 50),
    }
    return Agreement.model_validate(perfect | fields)


@pytest.mark.parametrize(
    ("fields", "accepted", "reason"),
    [
        ({}, True, "F1 1.000"),
        ({"f1": 0.949}, False, "below the bound: F1 0.949"),
        ({"iou_median": 0.89}, False, "below the bound"),
        ({"frames_with_person": (50, 40)}, False, "people on 40 frames"),
        ({"original": 0, "variant": 0, "matched": 0, "iou_median": None}, False, "not established"),
        ({"original": MIN_OBJECTS - 1}, False, "not established"),
    ],
)
def test_the_original_stays_where_agreement_is_low_or_not_established(
    fields: dict[str, object], accepted: bool, reason: str
) -> None:
    verdict, said = judge(agreement(**fields))
    assert verdict is accepted
    assert reason in said
