from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearth_vision.letterbox import PADDING, InputFormat, fill_letterbox

YOLOX = InputFormat(rgb=False, scale=1.0, centred=False)
YOLOV8 = InputFormat(rgb=True, scale=1 / 255, centred=True)


def blank(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_no_boxes_stay_no_boxes() -> None:
    placement = fill_letterbox(blank(10, 20), np.empty((1, 3, 32, 32), np.float32), YOLOX)
    assert placement.to_source(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_yolox_pads_right_and_below_with_grey_and_keeps_bgr_in_0_to_255() -> None:
    image = blank(16, 32)
    image[..., 0] = 200
    out = np.full((1, 3, 32, 32), np.nan, np.float32)
    fill_letterbox(image, out, YOLOX)
    assert (out[0, 0, :16] == 200).all()
    assert (out[0, 1:, :16] == 0).all()
    assert (out[0, :, 16:] == PADDING).all()


def test_yolov8_pads_both_sides_and_wants_rgb_in_0_to_1() -> None:
    image = blank(16, 32)
    image[..., 0] = 255
    out = np.full((1, 3, 32, 32), np.nan, np.float32)
    fill_letterbox(image, out, YOLOV8)
    assert out[0, 2, 8:24] == pytest.approx(1.0)
    assert (out[0, :2, 8:24] == 0).all()
    assert out[0, :, :8] == pytest.approx(PADDING / 255)
    assert out[0, :, 24:] == pytest.approx(PADDING / 255)


def test_half_precision_input_is_written_directly() -> None:
    out = np.empty((1, 3, 32, 32), np.float16)
    fill_letterbox(np.full((32, 32, 3), 51, np.uint8), out, YOLOV8)
    assert out == pytest.approx(0.2, abs=1e-3)


def test_a_second_smaller_picture_leaves_nothing_of_the_first() -> None:
    out = np.empty((1, 3, 32, 32), np.float32)
    fill_letterbox(np.full((32, 32, 3), 255, np.uint8), out, YOLOX)
    fill_letterbox(blank(8, 32), out, YOLOX)
    assert (out[0, :, 8:] == PADDING).all()


@settings(deadline=None)
@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    form=st.sampled_from([YOLOX, YOLOV8]),
    corners=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
)
def test_boxes_come_back_to_where_they_were_in_the_source(
    height: int, width: int, form: InputFormat, corners: list[float]
) -> None:
    # A stride trick: the picture's pixels do not matter here, only its size.
    image = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (height, width, 3)).copy()
    placement = fill_letterbox(image, np.empty((1, 3, 96, 64), np.float32), form)
    size = np.array([width, height] * 2, np.float32)
    source = np.array([corners], np.float32) * size
    model = source * np.array(placement.scale * 2) + np.array(placement.offset * 2)
    back = placement.to_source(model.astype(np.float32))
    assert np.abs(back - source).max() <= 1e-3 * max(width, height)
    assert (back >= 0).all()
    assert (back <= size).all()


def test_boxes_beyond_the_picture_are_clipped_to_it() -> None:
    placement = fill_letterbox(blank(10, 20), np.empty((1, 3, 32, 32), np.float32), YOLOX)
    boxes = np.array([[-50, -50, 900, 900]], np.float32)
    assert placement.to_source(boxes).tolist() == [[0, 0, 20, 10]]
