from __future__ import annotations

import cv2
import numpy as np
import pytest

from hearth.errors import InvalidInput
from hearth_vision.detector import DetectorConfig
from hearth_vision.faces import HaarFaces
from hearth_vision.hog import (
    MIN_SCORE,
    face_centre,
    hog_score,
    person_from_face,
    search_size,
)
from hearth_vision.images import ImageLimits, decode_image, encode_jpeg
from hearth_vision.loading import load_detector
from tests.unit.vision.photographs import photograph


def test_the_description_marks_the_fallback() -> None:
    info = load_detector(DetectorConfig()).info
    assert (info.method, info.backend, info.fallback) == ("opencv-hog", "opencv", True)
    assert info.sha256 is None
    assert info.classes == ("person",)
    assert any("not a probability" in note for note in info.notes)
    assert any("estimated from the face" in note for note in info.notes)


def test_no_images_give_no_detections() -> None:
    assert load_detector(DetectorConfig()).detect([]) == []


def test_the_astronaut_is_one_person() -> None:
    found = load_detector(DetectorConfig(confidence=0.5)).detect([photograph("astronaut.png")])[0]
    assert len(found) == 1
    assert found.scores[0] >= 0.7
    x1, y1, x2, y2 = found.boxes[0]
    # She fills the middle of the picture down to its lower edge.
    assert x1 < 160
    assert x2 > 290
    assert y1 < 80
    assert y2 == 512


@pytest.mark.parametrize("file", ["coffee.png", "brick.png", "coins.png", "chelsea.png"])
def test_no_people_are_found_on_photographs_of_things_and_a_cat(file: str) -> None:
    found = load_detector(DetectorConfig(confidence=0.5)).detect([photograph(file)])[0]
    assert len(found) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (40, 60), (2000, 90)])
def test_images_of_any_shape_are_searched(shape: tuple[int, int]) -> None:
    blank = np.zeros((*shape, 3), np.uint8)
    assert len(load_detector(DetectorConfig()).detect([blank])[0]) == 0
    assert len(HaarFaces().find(blank)) == 0


def test_large_images_shrink_and_small_ones_grow() -> None:
    assert search_size(np.zeros((1280, 1280, 3), np.uint8))[0].shape == (640, 640, 3)
    assert search_size(np.zeros((128, 128, 3), np.uint8))[0].shape == (256, 256, 3)
    same = np.zeros((400, 600, 3), np.uint8)
    assert search_size(same)[0] is same


@pytest.mark.parametrize("side", [300, 400, 600, 640, 1024, 2048])
def test_boxes_are_in_pixels_of_the_image_given(side: int) -> None:
    detector = load_detector(DetectorConfig(confidence=0.5))
    picture = photograph("astronaut.png")
    same = detector.detect([picture])[0]
    scaled = detector.detect([cv2.resize(picture, (side, side))])[0]
    assert len(scaled) == 1
    assert scaled.scores[0] >= 0.7
    assert scaled.boxes[0] / (side / 512) == pytest.approx(same.boxes[0], abs=25)


@pytest.mark.parametrize("quality", [50, 85, 95])
def test_compression_does_not_lose_the_person(quality: int) -> None:
    data = encode_jpeg(photograph("astronaut.png"), quality)
    found = load_detector(DetectorConfig()).detect([decode_image(data, ImageLimits())])[0]
    assert len(found) == 1
    assert found.scores[0] >= 0.7


def test_the_same_image_gives_the_same_answer() -> None:
    picture = photograph("astronaut.png")
    detector, faces = load_detector(DetectorConfig(confidence=0.05)), HaarFaces()
    first = detector.detect([picture])[0]
    for found, again in [
        (first, detector.detect([picture])[0]),
        (faces.find(picture), faces.find(picture)),
    ]:
        assert found.boxes.tolist() == again.boxes.tolist()
        assert found.scores.tolist() == again.scores.tolist()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8)],
)
def test_data_that_is_not_an_image_is_rejected(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match=r"uint8 of shape \(H, W, 3\)"):
        load_detector(DetectorConfig()).detect([wrong])
    with pytest.raises(InvalidInput, match=r"uint8 of shape \(H, W, 3\)"):
        HaarFaces().find(wrong)


@pytest.mark.parametrize(
    ("margins", "scores"), [([], []), ([0.5], [0.5]), ([0.7, 1.5], [0.5987, 0.8808])]
)
def test_hog_margins_become_scores_by_the_stated_logistic(
    margins: list[float], scores: list[float]
) -> None:
    assert hog_score(np.array(margins, np.float32)) == pytest.approx(np.array(scores), abs=1e-4)
    assert hog_score(np.array([0.7], np.float32))[0] < MIN_SCORE


def test_the_person_of_a_face_stands_around_it() -> None:
    assert person_from_face(np.empty((0, 4), np.float32)).shape == (0, 4)
    person = person_from_face(np.array([[100, 100, 140, 140]], np.float32))[0]
    assert face_centre(person) == pytest.approx((120, 120))
    assert person[0] < 100
    assert person[2] > 140
    assert person[3] - person[1] == pytest.approx(300)


def test_the_astronauts_face_is_found_and_a_mirrored_one_too() -> None:
    picture = photograph("astronaut.png")
    for image, middle in ((picture, 224), (np.ascontiguousarray(picture[:, ::-1]), 288)):
        found = HaarFaces().find(image)
        assert len(found) >= 1
        x1, y1, x2, y2 = found.boxes[0]
        assert x1 < middle < x2
        assert y1 < 115 < y2


def test_a_smallest_face_outside_0_to_1_is_rejected() -> None:
    with pytest.raises(ValueError, match="min_size"):
        HaarFaces(min_size=0)
