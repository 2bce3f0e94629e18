from __future__ import annotations

import numpy as np
import pytest

from hearth.errors import ModelFailed
from hearth_vision.decoding.decoder import Decoder, cell_grid
from hearth_vision.decoding.family import (
    Layout,
    check_centres,
    choose_decoder,
    family_of,
    input_format,
)
from hearth_vision.decoding.yolov5 import Yolov5Decoder
from hearth_vision.decoding.yolov8 import Yolov8Decoder
from hearth_vision.decoding.yolox import YoloxDecoder

SIZE = (64, 96)  # height, width: 96 + 24 + 6 cells
CELLS = 126


def yolov8_output(classes: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Every box in its cell, no object."""
    cells, strides = cell_grid(*size)
    output = np.zeros((1, 4 + classes, len(cells)), np.float32)
    output[0, :2] = ((cells + 0.5) * strides).T
    output[0, 2:4] = strides.T
    return output


def yolox_output(classes: int = 3) -> np.ndarray:
    output = np.zeros((1, CELLS, 5 + classes), np.float32)
    output[0, :, :2] = 0.5
    return output


def test_the_grid_runs_row_by_row_through_the_levels() -> None:
    cells, strides = cell_grid(*SIZE)
    assert len(cells) == len(strides) == CELLS
    assert cells[:2].tolist() == [[0, 0], [1, 0]]
    assert cells[12].tolist() == [0, 1]
    assert strides[[0, 95, 96, 119, 120, 125], 0].tolist() == [8, 8, 16, 16, 32, 32]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("transposed", [False, True])
def test_yolov8_reads_centre_size_and_best_class(transposed: bool, dtype: type) -> None:
    output = yolov8_output().astype(dtype)
    output[0, :, 7] = [40, 30, 20, 10, 0.25, 0.75, 0.5]
    decoder = Yolov8Decoder(transposed=transposed)
    found = output.transpose(0, 2, 1) if transposed else output
    boxes, scores, class_ids = decoder.decode(found, 0.5)
    assert boxes.tolist() == [[30, 25, 50, 35]]
    assert scores.tolist() == [0.75]
    assert class_ids.tolist() == [1]
    assert (boxes.dtype, scores.dtype, class_ids.dtype) == (np.float32, np.float32, np.int64)


def test_yolox_places_boxes_by_cell_and_stride_and_multiplies_the_scores() -> None:
    output = yolox_output()
    # Row 97: second cell of the stride-16 level.
    output[0, 97] = [0.25, 0.5, np.log(2), np.log(4), 0.8, 0.1, 0.9, 0.2]
    boxes, scores, class_ids = YoloxDecoder(*SIZE, in_pixels=False).decode(output, 0.5)
    assert boxes == pytest.approx(np.array([[20 - 16, 8 - 32, 20 + 16, 8 + 32]]))
    assert scores == pytest.approx(np.array([0.72]))
    assert class_ids.tolist() == [1]


def test_yolox_whose_graph_placed_the_boxes_is_read_as_pixels() -> None:
    output = yolox_output()
    output[0, 5] = [40, 30, 20, 10, 1, 0, 0, 1]
    boxes, _, class_ids = YoloxDecoder(*SIZE, in_pixels=True).decode(output, 0.5)
    assert boxes.tolist() == [[30, 25, 50, 35]]
    assert class_ids.tolist() == [2]


def test_yolov5_reads_centre_size_and_the_product_of_scores() -> None:
    output = np.zeros((1, 3 * CELLS, 8), np.float32)
    output[0, 200] = [40, 30, 20, 10, 0.8, 0.1, 0.9, 0.2]
    assert family_of(Layout("m.onnx", SIZE, [output.shape], ("a", "b", "c"))) == "yolov5"
    boxes, scores, class_ids = Yolov5Decoder().decode(output, 0.5)
    assert boxes.tolist() == [[30, 25, 50, 35]]
    assert scores == pytest.approx(np.array([0.72]))
    assert class_ids.tolist() == [1]


def test_a_size_beyond_all_numbers_is_infinite_for_the_caller_to_refuse() -> None:
    output = yolox_output()
    output[0, 3] = [0, 0, 1000, 0, 1, 1, 0, 0]
    boxes, _, _ = YoloxDecoder(*SIZE, in_pixels=False).decode(output, 0.5)
    assert np.isinf(boxes[0, 2])


@pytest.mark.parametrize(
    ("decoder", "output"),
    [
        (Yolov8Decoder(), yolov8_output()),
        (YoloxDecoder(*SIZE, in_pixels=False), yolox_output()),
    ],
)
def test_boxes_without_a_score_are_dropped(
    decoder: Yolov8Decoder | YoloxDecoder, output: np.ndarray
) -> None:
    boxes, scores, class_ids = decoder.decode(output, 0.01)
    assert (boxes.shape, scores.shape, class_ids.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize("score", [0.5, 0.25])
def test_a_score_equal_to_the_threshold_counts(score: float) -> None:
    output = yolov8_output()
    output[0, 4, 3] = score
    assert len(Yolov8Decoder().decode(output, score)[1]) == 1


def layout(output: np.ndarray, *classes: str) -> Layout:
    return Layout("m.onnx", SIZE, [output.shape], classes)


def chosen(output: np.ndarray, *classes: str) -> Decoder:
    return choose_decoder(layout(output, *classes), output)


def test_the_family_is_recognized_by_shape_and_class_count() -> None:
    names = ("a", "b", "c")
    assert chosen(yolov8_output(), *names).method == "yolov8-onnx"
    assert chosen(yolox_output(), *names).method == "yolox-onnx"
    transposed = chosen(yolov8_output().transpose(0, 2, 1), *names)
    assert transposed.method == "yolov8-onnx"


@pytest.mark.parametrize("in_pixels", [True, False])
def test_yolox_in_pixels_is_distinguished_from_yolox_in_cells(in_pixels: bool) -> None:
    output = yolox_output()
    if in_pixels:
        output[:, :, :4] = yolov8_output()[:, :4].transpose(0, 2, 1)
    decoder = chosen(output, "a", "b", "c")
    assert isinstance(decoder, YoloxDecoder)
    assert decoder.in_pixels is in_pixels


@pytest.mark.parametrize(
    ("outputs", "classes", "message"),
    [
        ([], ("a",), r"shapes \[\], but one output of shape \(1, 4 \+ classes, 126\)"),
        ([np.zeros((1, 300, 7))], ("a",), r"\(1, 300, 7\).*suppression inside"),
        ([np.zeros((1, 3001, 6))], ("a",), r"\(1, 3001, 6\)"),
        ([np.zeros((1, 7, 126)), np.zeros((1, 32, 16, 24))], ("a",), "masks"),
        ([np.zeros((7, 126))], ("a",), "expected at 96 x 64"),
        ([np.zeros((2, 7, 126))], ("a", "b", "c"), r"\(2, 7, 126\)"),
        ([np.zeros((1, 4, 126))], (), "no room for a class"),
        ([np.zeros((1, 7, 126))], (), "3 classes and its file names none"),
        ([np.zeros((1, 7, 126))], ("a", "b"), "has 3 classes, but 2 class names"),
        ([np.zeros((1, 126, 8))], ("a",), "has 3 classes, but 1 class names"),
    ],
)
def test_an_unknown_detector_is_rejected(
    outputs: list[np.ndarray], classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelFailed, match=message):
        family_of(Layout("m.onnx", SIZE, [output.shape for output in outputs], classes))


def test_boxes_in_0_to_1_are_rejected() -> None:
    size = (320, 320)
    output = yolov8_output(size=size)
    check_centres("m.onnx", Yolov8Decoder(), output, size)
    output[0, :4] /= 320
    with pytest.raises(ModelFailed, match="pixels of the model's input"):
        check_centres("m.onnx", Yolov8Decoder(), output, size)


def test_an_output_with_an_unknown_dimension_is_rejected_before_anything_runs() -> None:
    with pytest.raises(ModelFailed, match=r"\(1, None, 8\)"):
        family_of(Layout("m.onnx", SIZE, [(1, None, 8)], ("a",)))


def test_the_input_format_is_that_of_the_family() -> None:
    names = ("a", "b", "c")
    assert input_format(layout(yolov8_output(), *names)) == Yolov8Decoder.form
    assert input_format(layout(yolox_output(), *names)) == YoloxDecoder.form


def test_a_decoder_for_another_size_knows_that_size_s_cells() -> None:
    decoder = YoloxDecoder(*SIZE, in_pixels=False).at((32, 64))
    output = np.zeros((1, 32 + 8 + 2, 6), np.float32)
    output[0, 41] = [0.5, 0.5, 0, 0, 1, 1]
    boxes, _, _ = decoder.decode(output, 0.5)
    assert boxes.tolist() == [[32, 0, 64, 32]]
    assert YoloxDecoder(*SIZE, in_pixels=True).at((32, 64)).in_pixels
