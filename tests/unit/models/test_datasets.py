"""Labels in three formats, and what is wrong with them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hearth.errors import HearthError, InvalidInput, NotFound
from hearth_models.evaluation.datasets import read_dataset
from hearth_models.evaluation.evaluate import shared_classes
from hearth_vision.images import encode_jpeg

BOX = [10.0, 20.0, 50.0, 40.0]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_jpeg(np.zeros((100, 200, 3), np.uint8)))


def coco(folder: Path, **changes: Any) -> Path:
    picture(folder / "images/a.jpg")
    document: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "categories": [{"id": 3, "name": "person"}, {"id": 5, "name": "helmet"}],
        "annotations": [
            {"image_id": 7, "category_id": 5, "bbox": [10, 20, 40, 20], "area": 700, "iscrowd": 1}
        ],
    }
    (folder / "labels.json").write_text(json.dumps(document | changes))
    return folder


def voc(folder: Path, text: str | None = None) -> Path:
    picture(folder / "JPEGImages/a.jpg")
    (folder / "Annotations").mkdir()
    body = text or (
        "<annotation><object><name>helmet</name><difficult>1</difficult><bndbox><xmin>10</xmin>"
        "<ymin>20</ymin><xmax>50</xmax><ymax>40</ymax></bndbox></object></annotation>"
    )
    (folder / "Annotations/a.xml").write_text(body)
    return folder


def yolo(folder: Path, line: str = "1 0.15 0.3 0.2 0.2", settings_: str | None = None) -> Path:
    picture(folder / "images/val/a.jpg")
    picture(folder / "images/val/empty.jpg")
    (folder / "labels/val").mkdir(parents=True)
    (folder / "labels/val/a.txt").write_text(line)
    (folder / "data.yaml").write_text(settings_ or "val: images/val\nnames: [person, helmet]\n")
    return folder


@pytest.mark.parametrize("make", [coco, voc, yolo])
def test_the_same_object_is_read_from_every_format(tmp_path: Path, make: Any) -> None:
    dataset = read_dataset(make(tmp_path))
    [one] = [one for one in dataset.images if len(one.boxes)]
    assert one.boxes.tolist() == [pytest.approx(BOX)]
    assert dataset.classes[one.class_ids[0]] == "helmet"
    assert one.path.name == "a.jpg"
    assert dataset.format == make.__name__
    assert one.crowd.tolist() == [make is coco]
    assert one.ignored.tolist() == [make is not yolo]
    assert one.areas.tolist() == pytest.approx([700.0 if make is coco else 800.0])


def test_an_image_without_a_label_file_has_no_objects(tmp_path: Path) -> None:
    dataset = read_dataset(yolo(tmp_path))
    assert [len(one.boxes) for one in dataset.images] == [1, 0]


@pytest.mark.parametrize(
    "corners",
    ["0.05 0.2 0.25 0.2 0.25 0.4 0.05 0.4", "0.05 0.3 0.1 0.2 0.25 0.25 0.2 0.4"],
)
def test_a_polygon_of_a_segmentation_becomes_the_box_around_it(
    tmp_path: Path, corners: str
) -> None:
    dataset = read_dataset(yolo(tmp_path, f"1 {corners}\n0 0.5 0.5 0.2 0.2"))
    [one] = [one for one in dataset.images if len(one.boxes)]
    assert one.boxes[0].tolist() == pytest.approx(BOX)
    assert len(one.boxes) == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "it has 7 numbers after the class"),
        ("1 0.1 0.1 0.2 0.2 0.3 1.5", r"shares of the image, 0\.\.1"),
        ("1 0.5 0.5 0.2", r"a\.txt:1: class x y width height"),
        ("x 0.5 0.5 0.2 0.2", r"a\.txt:1"),
        ("0 0.5 0.5 0.2 0.2\n2 0.5 0.5 0.2 0.2", r"a\.txt:2: class 2 is outside 0\.\.1"),
        ("-1 0.5 0.5 0.2 0.2", "class -1 is outside"),
        ("1 50 50 20 20", r"shares of the image, 0\.\.1"),
        ("1 nan 0.5 0.2 0.2", r"shares of the image, 0\.\.1"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_dataset(yolo(tmp_path, line))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("val: images/val\n", "names no classes"),
        ("names: [a, a]\nval: images/val\n", "'a' twice"),
        ("names: {1: a}\n", "numbered from 0"),
        ("[1]", "not a mapping"),
        ("a: [", "is not YAML"),
        ("names: [a, b]\nval: ../../etc\n", None),
    ],
)
def test_a_wrong_data_yaml_is_named(tmp_path: Path, text: str, said: str | None) -> None:
    yolo(tmp_path, settings_=text)
    if said is None:  # a folder outside is passed over for the one inside
        assert read_dataset(tmp_path).images[0].path.is_relative_to(tmp_path)
        return
    with pytest.raises(InvalidInput, match=said):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "is not a COCO file"),
        ({"categories": [{"id": 5}]}, "is not a COCO file"),
        ({"annotations": [{"bbox": [1, 2]}]}, r"annotations\[0\] makes no sense"),
        ({"annotations": [{"image_id": 9, "category_id": 5, "bbox": [0, 0, 1, 1]}]}, r"\[0\]"),
        ({"annotations": [{"image_id": 7, "category_id": 5, "bbox": [0, 0, -1, 1]}]}, "is no box"),
        ({"annotations": []}, "no image of 1 has a labelled object"),
        ({"images": []}, r"annotations\[0\]"),
        ({"images": [{"id": 7, "file_name": "../../x.jpg"}]}, "does not lie in"),
    ],
)
def test_a_wrong_coco_file_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_dataset(coco(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotation>", "is not XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>", "declares a document type"),
        ("<a><object><name/></object></a>", "object 1 has no name"),
        ("<a><object><name>x</name></object></a>", "bndbox lacks one of xmin"),
        ("<a/>", "no image of 1 has a labelled object"),
    ],
)
def test_a_wrong_voc_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_dataset(voc(tmp_path, text))


def test_a_folder_without_labels_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no labels that are known"):
        read_dataset(tmp_path)
    with pytest.raises(NotFound, match=r"folder .* does not exist"):
        read_dataset(tmp_path / "none")


def test_several_label_files_require_a_choice(tmp_path: Path) -> None:
    coco(tmp_path)
    (tmp_path / "instances_train.json").write_text("{}")
    with pytest.raises(InvalidInput, match="2 files that may be labels; choose one with --split"):
        read_dataset(tmp_path)
    assert len(read_dataset(tmp_path, "labels").images) == 1


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60), place=st.sampled_from(["yaml", "txt", "xml", "json"]))
def test_any_text_is_a_dataset_or_a_hearth_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, place: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with contextlib.suppress(HearthError):
        if place == "yaml":
            read_dataset(yolo(folder, settings_=text or " "))
        elif place == "txt":
            read_dataset(yolo(folder, text))
        elif place == "xml":
            read_dataset(voc(folder, text or " "))
        else:
            coco(folder)
            (folder / "labels.json").write_text(text)
            read_dataset(folder)


def test_classes_are_shared_by_name_whatever_the_spelling() -> None:
    names, of_model, of_dataset = shared_classes(
        ("helmet", "Person", "no_helmet"), ("No Helmet", "person", "boots")
    )
    assert names == ("Person", "no_helmet")
    assert of_model.tolist() == [-1, 0, 1]
    assert of_dataset.tolist() == [1, 0, -1]
    with pytest.raises(InvalidInput, match=r"no class of the dataset \(boots\)"):
        shared_classes(("helmet",), ("boots",))
