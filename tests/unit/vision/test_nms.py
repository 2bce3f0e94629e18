from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hearth_vision.nms import box_iou, suppress


def reference(
    boxes: list[list[int]], scores: list[float], classes: list[int], iou: float, limit: int
) -> list[int]:
    """Greedy suppression written as its definition reads."""
    order = sorted(range(len(boxes)), key=lambda i: (-np.float32(scores[i]), i))
    kept: list[int] = []
    for i in order:
        if all(classes[i] != classes[k] or overlap(boxes[i], boxes[k]) <= iou for k in kept):
            kept.append(i)
    return kept[:limit]


def overlap(a: list[int], b: list[int]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, width) * max(0, height)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


box = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]]
)


@settings(deadline=None)
@given(
    objects=st.lists(st.tuples(box, st.floats(0, 1, width=32), st.integers(0, 2)), max_size=25),
    iou=st.sampled_from([0.1, 0.3, 0.45, 0.5, 0.7, 0.9]),
    limit=st.integers(1, 30),
)
def test_suppression_equals_the_plain_definition(
    objects: list[tuple[list[int], float, int]], iou: float, limit: int
) -> None:
    boxes = [o[0] for o in objects]
    pairs = [overlap(a, b) for a in boxes for b in boxes]
    assume(all(abs(value - iou) > 1e-6 for value in pairs))
    scores, classes = [o[1] for o in objects], [o[2] for o in objects]
    kept = suppress(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(classes, np.int64),
        iou,
        limit,
    )
    assert kept.tolist() == reference(boxes, scores, classes, iou, limit)


def test_suppression_of_no_boxes_keeps_no_boxes() -> None:
    kept = suppress(
        np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64), 0.5, 10
    )
    assert kept.tolist() == []


def test_equal_boxes_of_two_classes_are_both_kept() -> None:
    boxes = np.array([[0, 0, 10, 10]] * 2, np.float32)
    scores = np.array([0.6, 0.9], np.float32)
    assert suppress(boxes, scores, np.array([0, 1]), 0.5, 10).tolist() == [1, 0]
    assert suppress(boxes, scores, np.array([1, 1]), 0.5, 10).tolist() == [1]


@pytest.mark.parametrize(
    ("boxes", "others", "expected"),
    [
        (np.empty((0, 4)), np.empty((0, 4)), np.empty((0, 0))),
        (np.empty((0, 4)), [[0, 0, 1, 1]], np.empty((0, 1))),
        ([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], [[1, 1 / 3, 0]]),
        ([[1, 1, 1, 1]], [[1, 1, 1, 1]], [[0]]),
    ],
)
def test_iou_of_every_pair(boxes: object, others: object, expected: object) -> None:
    found = box_iou(np.array(boxes, np.float32), np.array(others, np.float32))
    assert found.shape == np.shape(expected)
    assert found == pytest.approx(np.array(expected), abs=1e-6)
