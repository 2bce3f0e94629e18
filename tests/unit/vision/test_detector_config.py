from __future__ import annotations

from pathlib import Path

import pytest

from hearth.errors import InvalidInput, ModelFailed
from hearth_vision.detector import DetectorConfig
from hearth_vision.loading import class_names, load_detector


def test_class_names_come_from_a_list_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("person\nhard hat\r\nvest\n\n")
    assert class_names(str(file)) == ("person", "hard hat", "vest")
    assert class_names("person, hard hat,vest") == ("person", "hard hat", "vest")
    assert class_names("person") == ("person",)


def test_coco_stands_for_its_eighty_classes() -> None:
    names = class_names("coco")
    assert (len(names), names[0], names[10], names[79]) == (
        80,
        "person",
        "fire hydrant",
        "toothbrush",
    )
    assert len(set(names)) == 80


@pytest.mark.parametrize("setting", ["", "  "])
def test_without_a_setting_there_are_no_class_names(setting: str) -> None:
    assert class_names(setting) == ()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("person,,vest", "name 2 of 3 is empty"),
        ("vest,person,vest", "'vest' is given twice"),
        ("models/nowhere.txt", "neither a file nor a class name"),
    ],
)
def test_invalid_class_names_are_rejected(setting: str, message: str) -> None:
    with pytest.raises(ModelFailed, match=message):
        class_names(setting)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DetectorConfig(confidence=0), "confidence must lie in 0..1"),
        (DetectorConfig(confidence=1.5), r"not 1\.5"),
        (DetectorConfig(iou=-0.1), "iou"),
        (DetectorConfig(max_detections=0), "max_detections"),
        (DetectorConfig(threads=0), "threads"),
    ],
)
def test_settings_outside_their_range_are_rejected(config: DetectorConfig, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load_detector(config)
