"""The person detector that Hearth brings, as `scripts/models` made it."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from hearth_vision.default_models import PERSONS
from hearth_vision.detector import Detector, DetectorConfig
from hearth_vision.loading import load_detector
from tests.support.default_models import MODELS, installed


@pytest.fixture(scope="module")
def detector() -> Detector:
    installed(PERSONS)
    return load_detector(DetectorConfig(default_models=MODELS))


def test_it_finds_a_person_and_none_where_nobody_is(detector: Detector) -> None:
    astronaut = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    cat = np.ascontiguousarray(data.chelsea()[:, :, ::-1])
    found, nothing = detector.detect([astronaut, cat])
    assert found.scores.max() > 0.9
    left, top, right, bottom = found.boxes[0]
    assert left < 150 < 350 < right
    assert top < 50 < 450 < bottom
    assert len(nothing.scores) == 0


def test_its_description_tells_licence_training_and_what_it_does_not_know(
    detector: Detector,
) -> None:
    info = detector.info
    assert (info.name, info.sha256, info.fallback) == (PERSONS.name, PERSONS.sha256, True)
    assert (info.classes, info.confidence) == (("person",), 0.4)
    text = " ".join(info.notes)
    for part in ("MIT", "PASCAL VOC", "equipment is not detected"):
        assert part in text


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 5000), (5000, 1), (33, 44), (33, 45)])
def test_images_of_any_shape_are_searched(detector: Detector, shape: tuple[int, int]) -> None:
    [found] = detector.detect([np.zeros((*shape, 3), np.uint8)])
    assert len(found) == 0


def test_a_threshold_that_is_given_counts(detector: Detector) -> None:
    strict = load_detector(DetectorConfig(default_models=MODELS, confidence=0.999))
    assert strict.info.confidence == 0.999
