"""Evidence pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from functions.detection.incidents.drawing import Caption
from functions.detection.incidents.evidence import blur_faces, render
from functions.detection.incidents.settling import face_settings
from hearth.errors import ModelFailed
from hearth_vision.detections import Detections
from hearth_vision.images import Bgr

CAPTION = Caption(
    camera_id="gate",
    zone="yard",
    time="2026-11-02 08:30:00 CET",
    incident_id="01M6DJMH588QAEWKQFCCCP2758",
    model="yolox_nano (yolox-onnx, openvino)",
    classes=("no_helmet", "restricted_zone"),
)
RESULT = {
    "detections": [
        {
            "class_name": "no_helmet",
            "confidence": 0.7,
            "bbox": [40, 20, 60, 40],
            "person": 1,
            "violation": True,
        }
    ],
    "persons": [
        {
            "index": 1,
            "verdict": "violation",
            "confidence": 0.9,
            "bbox": [30, 20, 80, 150],
            "violations": [
                {"zone": "yard", "class_name": "no_helmet", "confidence": 0.7, "inferred": False}
            ],
        }
    ],
}
EMPTY: dict[str, list[object]] = {"detections": [], "persons": []}


class OneFace:
    """Finds a face in a fixed place of pictures of one size, nothing in others."""

    method = "opencv-haar"

    def __init__(self, size: tuple[int, int], box: tuple[int, int, int, int]) -> None:
        self.size = size
        self.box = box

    def find(self, image: Bgr) -> Detections:
        if image.shape[:2] != self.size:
            return Detections.empty()
        return Detections(
            np.array([self.box], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64)
        )


def noise(height: int = 180, width: int = 320) -> Bgr:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


def test_evidence_of_a_frame_without_people_has_a_caption() -> None:
    picture = render(noise(), EMPTY, None, CAPTION, None)
    assert picture.faces_blurred is None
    assert opened(picture.jpeg).format == "JPEG"


def test_the_same_facts_give_the_same_bytes() -> None:
    zone = [(0.1, 0.5), (0.9, 0.5), (0.9, 0.9)]
    first, second = (render(noise(), RESULT, zone, CAPTION, None) for _ in range(2))
    assert first == second
    moved = render(noise(), RESULT, [(0.1, 0.4), *zone[1:]], CAPTION, None)
    assert moved.jpeg != first.jpeg


def test_small_images_are_enlarged_for_their_labels_and_large_ones_are_kept() -> None:
    assert opened(render(noise(), RESULT, None, CAPTION, None).jpeg).width == 960
    large = np.zeros((800, 1600, 3), np.uint8)
    assert opened(render(large, RESULT, None, CAPTION, None).jpeg).width == 1600
    huge = np.zeros((2000, 4000, 3), np.uint8)
    assert opened(render(huge, RESULT, None, CAPTION, None).jpeg).width == 2560


def test_a_person_in_violation_is_outlined_in_red() -> None:
    picture = opened(render(np.zeros((540, 960, 3), np.uint8), RESULT, None, CAPTION, None).jpeg)
    red, green, blue = picture.getpixel((31, 100))  # type: ignore[misc]
    assert red > 150
    assert max(green, blue) < 90


@pytest.mark.parametrize("size", [(1, 1), (8, 4000), (3000, 8)])
def test_images_of_odd_shapes_are_drawn(size: tuple[int, int]) -> None:
    assert opened(render(np.zeros((*size, 3), np.uint8), RESULT, None, CAPTION, None).jpeg)


def test_a_face_loses_its_detail_and_the_rest_of_the_image_stays() -> None:
    image = noise()
    blurred, count = blur_faces(image, [], OneFace((180, 320), (100, 50, 140, 100)))
    assert count == 1
    assert blurred[60:90, 110:130].std() < image[60:90, 110:130].std() / 2
    outside = np.ones(image.shape[:2], bool)
    outside[35:115, 85:155] = False
    assert (blurred[outside] == image[outside]).all()
    assert (image == noise()).all()


def test_a_face_found_only_in_a_person_s_enlarged_head_is_blurred_in_its_place() -> None:
    # The upper part of the person, 51 x 59 pixels, is enlarged to 128 x 148.
    person = [100, 40, 150, 171]
    image = noise()
    blurred, count = blur_faces(image, [person], OneFace((148, 128), (51, 26, 77, 64)))
    assert count == 1
    changed = np.argwhere((blurred != image).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert 100 < left < right < 150
    assert 40 < top < bottom < 80


def test_a_face_found_twice_counts_once() -> None:
    class Both(OneFace):
        def find(self, image: Bgr) -> Detections:
            scale = image.shape[1] / 320 if image.shape[:2] == (180, 320) else 0
            box = [100, 40, 150, 100] if scale else [0, 0, image.shape[1], image.shape[0]]
            return Detections(
                np.array([box], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64)
            )

    assert blur_faces(noise(), [[100, 40, 150, 171]], Both((0, 0), (0, 0, 0, 0)))[1] == 1


def test_a_note_in_the_caption_makes_room_for_itself() -> None:
    noted = Caption(**{**CAPTION.__dict__, "note": "Faces are not blurred"})
    plain = opened(render(noise(), RESULT, None, CAPTION, None).jpeg)
    assert opened(render(noise(), RESULT, None, noted, None).jpeg).height > plain.height


def test_evidence_notes_a_missing_face_detector() -> None:
    def broken() -> OneFace:
        raise ModelFailed("no cascade files")

    assert face_settings(True, broken) == (
        None,
        "Faces are not blurred: no face detector is at hand",
    )
    assert face_settings(False, broken) == (None, "Faces are not blurred: BLUR_FACES is off")


def colour_at(zone: str | None, point: tuple[int, int]) -> tuple[int, int, int]:
    caption = Caption(**{**CAPTION.__dict__, "zone": zone})
    image = opened(render(np.zeros((540, 960, 3), np.uint8), RESULT, None, caption, None).jpeg)
    return image.getpixel(point)  # type: ignore[return-value]


@pytest.mark.parametrize(("zone", "is_red"), [("yard", True), ("crane", False), (None, False)])
def test_only_what_breaks_the_incident_s_own_zone_is_red(zone: str | None, is_red: bool) -> None:
    for point in ((31, 100), (41, 30)):
        red, green, _ = colour_at(zone, point)
        assert (red > 150 and green < 90) is is_red


def test_a_head_is_not_covered_by_the_label_of_whoever_stands_at_the_upper_edge() -> None:
    frame = np.full((540, 960, 3), 255, np.uint8)
    result = {"detections": [], "persons": [{**RESULT["persons"][0], "bbox": [400, 0, 500, 300]}]}  # type: ignore[dict-item]
    image = opened(render(frame, result, None, CAPTION, None).jpeg)
    head = np.asarray(image)[8:90, 408:492]
    assert head.min() > 240


def test_a_label_without_a_place_stands_below_the_image() -> None:
    frame = np.full((540, 960, 3), 255, np.uint8)
    result = {"detections": [], "persons": [{**RESULT["persons"][0], "bbox": [0, 0, 960, 540]}]}  # type: ignore[dict-item]
    image = opened(render(frame, result, None, CAPTION, None).jpeg)
    assert np.asarray(image)[12:528, 12:948].min() > 240
    plain = opened(render(frame, EMPTY, None, CAPTION, None).jpeg)
    assert image.height > plain.height


def test_a_face_that_was_found_is_covered_by_no_label() -> None:
    # The face of somebody else, right above the person, where the label would stand.
    frame = np.full((540, 960, 3), 255, np.uint8)
    result = {"detections": [], "persons": [{**RESULT["persons"][0], "bbox": [400, 200, 500, 500]}]}  # type: ignore[dict-item]
    faces = OneFace((540, 960), (380, 120, 620, 198))
    image = opened(render(frame, result, None, CAPTION, faces).jpeg)
    assert np.asarray(image)[122:190, 384:616].min() > 240
