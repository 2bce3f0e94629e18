from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearth_vision.backends.program import write_tensor
from hearth_vision.letterbox import PADDING, STRIDE, InputFormat, letterbox, rectangle

YOLOX = InputFormat(rgb=False, scale=1.0, centred=False)
YOLOV8 = InputFormat(rgb=True, scale=1 / 255, centred=True)


def blank(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_an_empty_array_of_boxes_stays_empty() -> None:
    _, placement = letterbox(blank(10, 20), (32, 32), centred=False)
    assert placement.to_source(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_padding_is_grey_and_right_and_below_unless_it_is_centred() -> None:
    image = np.full((16, 32, 3), 200, np.uint8)
    below, _ = letterbox(image, (32, 32), centred=False)
    assert (below[:16] == 200).all()
    assert (below[16:] == PADDING).all()
    both, placement = letterbox(image, (32, 32), centred=True)
    assert (both[8:24] == 200).all()
    assert (both[:8] == PADDING).all()
    assert (both[24:] == PADDING).all()
    assert placement.offset == (0, 8)


def test_an_image_that_fits_is_not_copied() -> None:
    image = blank(64, 96)
    picture, placement = letterbox(image, (64, 96), centred=True)
    assert picture is image
    assert placement.scale == (1, 1)


@pytest.mark.parametrize(
    ("picture", "bounds", "expected"),
    [
        ((480, 640), (640, 640), (480, 640)),
        ((640, 480), (640, 640), (640, 480)),
        ((720, 1280), (640, 640), (384, 640)),
        ((1080, 1920), (640, 640), (384, 640)),
        ((1536, 2048), (640, 640), (480, 640)),
        ((100, 100), (640, 640), (640, 640)),
        ((1, 10_000), (640, 640), (32, 640)),
        ((10_000, 1), (640, 640), (640, 32)),
        ((480, 640), (416, 416), (320, 416)),
        ((64, 96), (64, 96), (64, 96)),
    ],
)
def test_the_rectangle_follows_the_camera_s_shape(
    picture: tuple[int, int], bounds: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert rectangle(picture, bounds) == expected


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_a_rectangle_holds_the_scaled_image_and_wastes_under_a_stride(
    picture: tuple[int, int], cells: tuple[int, int]
) -> None:
    bounds = cells[0] * STRIDE, cells[1] * STRIDE
    size = rectangle(picture, bounds)
    ratio = min(bounds[0] / picture[0], bounds[1] / picture[1])
    for side, source, bound in zip(size, picture, bounds, strict=True):
        assert side % STRIDE == 0
        assert side <= bound
        assert side - max(1, source * ratio) <= STRIDE


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_yolox_wants_bgr_in_0_to_255_and_yolov8_rgb_in_0_to_1(dtype: type) -> None:
    picture = blank(32, 32)
    picture[..., 0] = 51
    out = np.full((1, 3, 32, 32), np.nan, dtype)
    write_tensor(picture, YOLOX, out)
    assert (out[0, 0] == 51).all()
    assert (out[0, 1:] == 0).all()
    write_tensor(picture, YOLOV8, out)
    assert out[0, 2] == pytest.approx(0.2, abs=1e-3)
    assert (out[0, :2] == 0).all()


@settings(deadline=None)
@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    centred=st.booleans(),
    corners=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
)
def test_boxes_come_back_to_where_they_were_in_the_source(
    height: int, width: int, centred: bool, corners: list[float]
) -> None:
    # A stride trick: the picture's pixels do not matter here, only its size.
    image = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (height, width, 3)).copy()
    _, placement = letterbox(image, (96, 64), centred=centred)
    size = np.array([width, height] * 2, np.float32)
    source = np.array([corners], np.float32) * size
    model = source * np.array(placement.scale * 2) + np.array(placement.offset * 2)
    back = placement.to_source(model.astype(np.float32))
    assert np.abs(back - source).max() <= 1e-3 * max(width, height)
    assert (back >= 0).all()
    assert (back <= size).all()


def test_boxes_beyond_the_image_are_clipped_to_it() -> None:
    _, placement = letterbox(blank(10, 20), (32, 32), centred=False)
    boxes = np.array([[-50, -50, 900, 900]], np.float32)
    assert placement.to_source(boxes).tolist() == [[0, 0, 20, 10]]
