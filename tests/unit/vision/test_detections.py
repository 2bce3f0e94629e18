from __future__ import annotations

import numpy as np
import pytest

from hearth_vision.detections import Detections


def make(n: int) -> Detections:
    boxes = (
        np.tile(np.array([0, 0, 2, 3], np.float32), (n, 1))
        + np.arange(n, dtype=np.float32)[:, None]
    )
    return Detections(boxes, np.linspace(0.1, 1, n, dtype=np.float32), np.arange(n, dtype=np.int64))


@pytest.mark.parametrize("n", [0, 1, 5])
def test_length_is_the_number_of_objects(n: int) -> None:
    assert len(make(n)) == n


def test_empty_has_arrays_of_the_right_shape() -> None:
    empty = Detections.empty()
    assert (empty.boxes.shape, empty.scores.shape, empty.class_ids.shape) == ((0, 4), (0,), (0,))


def test_a_mask_selects_and_indices_reorder() -> None:
    three = make(3)
    assert three.select(three.scores > 0.5).class_ids.tolist() == [1, 2]
    assert three.select(np.array([2, 0], np.int64)).class_ids.tolist() == [2, 0]
    assert len(Detections.empty().select(np.empty(0, np.bool_))) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((1, 4), np.float32)}, r"float32 of shape \(2, 4\), not .*\(1, 4\)"),
        ({"boxes": np.zeros((2, 4), np.float64)}, "not float64"),
        ({"class_ids": np.zeros(2, np.int32)}, "class_ids must be int64"),
        ({"class_ids": np.array([0, -1])}, "not be negative"),
        ({"scores": np.array([0.5, 1.1], np.float32)}, "0..1"),
        ({"scores": np.array([0.5, np.nan], np.float32)}, "0..1"),
        ({"boxes": np.full((2, 4), np.inf, np.float32)}, "finite"),
        ({"boxes": np.array([[5, 0, 1, 1]] * 2, np.float32)}, "x1 <= x2"),
    ],
)
def test_invalid_arrays_are_rejected_with_the_expected_shape(
    change: dict[str, np.ndarray], message: str
) -> None:
    good = make(2)
    arrays = {"boxes": good.boxes, "scores": good.scores, "class_ids": good.class_ids} | change
    with pytest.raises(ValueError, match=message):
        Detections(**arrays)
