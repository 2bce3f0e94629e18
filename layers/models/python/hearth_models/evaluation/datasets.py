"""Reads labels of COCO, PASCAL VOC and YOLO from a folder; every error names file and place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import yaml
from PIL import Image, UnidentifiedImageError

from hearth.errors import InvalidInput, NotFound, TooLarge
from hearth_models.evaluation.truth import Dataset, Labelled

MAX_JSON_BYTES: Final = 500_000_000
MAX_LABEL_BYTES: Final = 1_000_000
MAX_IMAGES: Final = 200_000
IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp")


def read_dataset(folder: Path, split: str | None = None) -> Dataset:
    """Labels of a folder; the format follows from what lies in it.

    Args:
        folder: `annotations/*.json` or `*.json` (COCO), `Annotations/*.xml` (VOC), or `labels/` or
            `data.yaml` (YOLO).
        split: Which part, as the dataset names it (`val`).

    Raises:
        NotFound: No such folder.
        InvalidInput: No labels are found, or one makes no sense; the sentence says where.
        TooLarge: A label file over its limit.
    """
    if not folder.is_dir():
        raise NotFound(f"folder {folder} does not exist; name the dataset with --dataset")
    if (folder / "Annotations").is_dir():
        return _voc(folder, split)
    if (folder / "data.yaml").is_file() or (folder / "labels").is_dir():
        return _yolo(folder, split)
    jsons = sorted([*folder.glob("*.json"), *folder.glob("annotations/*.json")])
    if jsons:
        return _coco(folder, _one_of(jsons, split))
    raise InvalidInput(
        f"{folder} holds no labels that are known: Annotations/*.xml (VOC), annotations/*.json "
        f"(COCO), or labels/*.txt with data.yaml (YOLO)"
    )


# ---- COCO ----


def _one_of(files: list[Path], split: str | None) -> Path:
    fitting = [file for file in files if split is None or split in file.stem]
    if len(fitting) != 1:
        names = ", ".join(file.name for file in files[:10])
        raise InvalidInput(
            f"{files[0].parent} holds {len(files)} files that may be labels"
            + (f", and {len(fitting)} of them fit {split!r}" if split else "")
            + f"; choose one with --split: {names}"
        )
    return fitting[0]


def _coco(folder: Path, file: Path) -> Dataset:
    document = _json(file)
    try:
        categories = {int(one["id"]): str(one["name"]) for one in document["categories"]}
        images = {int(one["id"]): str(one["file_name"]) for one in document["images"]}
        annotations = list(document["annotations"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"{file} is not a COCO file: it lacks images, annotations or categories ({error})"
        ) from error
    classes = _distinct(tuple(categories.values()), file)
    index = {identity: position for position, identity in enumerate(categories)}
    rows: dict[int, list[tuple[list[float], int, bool, bool, float]]] = {i: [] for i in images}
    for number, one in enumerate(annotations):
        try:
            x, y, width, height = (float(value) for value in one["bbox"])
            area = float(one.get("area", width * height))
            crowd, ignored = bool(one.get("iscrowd", 0)), bool(one.get("ignore", 0))
            row = ([x, y, x + width, y + height], index[int(one["category_id"])])
            rows[int(one["image_id"])].append((*row, crowd, ignored, area))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"{file}: annotations[{number}] makes no sense ({type(error).__name__}: {error})"
            ) from error
        _check_box(row[0], f"{file}: annotations[{number}].bbox")
    stem = file.stem.removeprefix("instances_")
    places = [folder, folder / "images", folder / stem, folder / "images" / stem]
    found = [
        Labelled.of(_image(places, name, folder, file), *_columns(rows[identity]))
        for identity, name in images.items()
    ]
    return _dataset("coco", classes, found, folder)


def _columns(rows: list[tuple[list[float], int, bool, bool, float]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]


def _image(places: Iterable[Path], name: str, folder: Path, file: Path) -> Path:
    for place in places:
        path = place / name
        if path.is_file():
            if not path.resolve().is_relative_to(folder.resolve()):
                break
            return path
    raise InvalidInput(f"{file} names the image {name!r}, which does not lie in {folder}")


def _json(file: Path) -> Any:
    if file.stat().st_size > MAX_JSON_BYTES:
        raise TooLarge(f"{file} is larger than {MAX_JSON_BYTES} bytes")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not JSON: {error}") from error


# ---- PASCAL VOC ----


def _voc(folder: Path, split: str | None) -> Dataset:
    files = sorted((folder / "Annotations").glob("*.xml"))
    if split is not None:
        listing = folder / "ImageSets" / "Main" / f"{split}.txt"
        if not listing.is_file():
            raise NotFound(f"{listing} does not exist; --split {split} needs it")
        wanted = {line.split()[0] for line in _lines(listing) if line.strip()}
        files = [file for file in files if file.stem in wanted]
    parsed = [(file, _voc_objects(file)) for file in files]
    classes = tuple(sorted({name for _, objects in parsed for name, _, _ in objects}))
    places = [folder / "JPEGImages", folder / "images", folder]
    found = []
    for file, objects in parsed:
        path = _beside(places, file.stem, file)
        ids = [classes.index(name) for name, _, _ in objects]
        hard = [difficult for _, _, difficult in objects]
        found.append(Labelled.of(path, [box for _, box, _ in objects], ids, ignored=hard))
    return _dataset("voc", classes, found, folder)


def _voc_objects(file: Path) -> list[tuple[str, list[float], bool]]:
    data = _bounded(file)
    # Entities could make megabytes of a line; labels need none.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise InvalidInput(f"{file} declares a document type, which labels have no need of")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  (no entities, see above; bounded)
    except ElementTree.ParseError as error:
        raise InvalidInput(f"{file} is not XML: {error}") from error
    found = []
    for number, one in enumerate(root.iter("object")):
        where = f"{file}: object {number + 1}"
        name = (one.findtext("name") or "").strip()
        if not name:
            raise InvalidInput(f"{where} has no name")
        try:
            box = [float(one.findtext(f"bndbox/{side}") or "") for side in _VOC_SIDES]
        except ValueError as error:
            raise InvalidInput(f"{where}: bndbox lacks one of {', '.join(_VOC_SIDES)}") from error
        _check_box(box, f"{where}: bndbox")
        found.append((name, box, (one.findtext("difficult") or "0").strip() == "1"))
    return found


_VOC_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


# ---- YOLO ----


def _yolo(folder: Path, split: str | None) -> Dataset:
    settings = _yaml(folder / "data.yaml") if (folder / "data.yaml").is_file() else {}
    classes = _yolo_classes(folder, settings)
    images = _yolo_images(folder, settings, split)
    paths = sorted(path for path in images.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    found = [_yolo_image(path, classes) for path in paths[: MAX_IMAGES + 1]]
    return _dataset("yolo", classes, found, images)


def _yolo_classes(folder: Path, settings: dict[str, Any]) -> tuple[str, ...]:
    names = settings.get("names")
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise InvalidInput(f"{folder / 'data.yaml'}: names must be numbered from 0")
        names = [names[number] for number in range(len(names))]
    if isinstance(names, list) and names:
        return _distinct(tuple(str(name) for name in names), folder / "data.yaml")
    listing = folder / "classes.txt"
    if listing.is_file():
        return _distinct(tuple(line.strip() for line in _lines(listing) if line.strip()), listing)
    raise InvalidInput(f"{folder} names no classes: names in data.yaml, or classes.txt, is needed")


def _yolo_images(folder: Path, settings: dict[str, Any], split: str | None) -> Path:
    part = settings.get(split or "val") or settings.get("test" if split is None else split)
    tried = [part] if isinstance(part, str) else []
    tried += [f"images/{split or 'val'}", *([] if split else ["images", "."])]
    for name in tried:
        for path in (folder / name, folder / name.removeprefix("../")):
            inside = path.resolve().is_relative_to(folder.resolve())
            if path.is_dir() and inside:
                return path
    raise NotFound(f"{folder} has no folder of images for {split or 'val'}: tried {tried}")


def _yolo_image(path: Path, classes: tuple[str, ...]) -> Labelled:
    parts = list(path.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    labels = Path(*parts).with_suffix(".txt")
    if not labels.is_file():
        return Labelled.of(path, [], [])  # an image without an object has no file
    try:
        with Image.open(path) as image:
            width, height = image.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{path} cannot be read as an image") from error
    boxes, ids = [], []
    for number, line in enumerate(_lines(labels), 1):
        if not line.strip():
            continue
        where = f"{labels}:{number}"
        try:
            first, *rest = line.split()
            class_id, shares = int(first), [float(value) for value in rest]
        except ValueError as error:
            raise InvalidInput(f"{where}: numbers are expected") from error
        x, y, w, h = _yolo_box(shares, where)
        if not 0 <= class_id < len(classes):
            raise InvalidInput(f"{where}: class {class_id} is outside 0..{len(classes) - 1}")
        if not all(0 <= value <= 1 for value in (x, y, w, h)):
            raise InvalidInput(f"{where}: centre and size must be shares of the image, 0..1")
        corners = [(x - w / 2) * width, (y - h / 2) * height]
        corners += [(x + w / 2) * width, (y + h / 2) * height]
        _check_box(corners, where)
        boxes.append(corners)
        ids.append(class_id)
    return Labelled.of(path, boxes, ids)


def _yolo_box(shares: list[float], where: str) -> tuple[float, ...]:
    """Centre and size of a box, or of the box around the corners of a polygon (segmentation)."""
    if len(shares) == 4:
        return tuple(shares)
    if len(shares) < 6 or len(shares) % 2:
        raise InvalidInput(
            f"{where}: class x y width height is expected, or class x1 y1 x2 y2 x3 y3 … of a "
            f"polygon; it has {len(shares)} numbers after the class"
        )
    left, right = min(shares[::2]), max(shares[::2])
    top, bottom = min(shares[1::2]), max(shares[1::2])
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _yaml(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(_bounded(file))
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file} is not YAML") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{file} is not a mapping of names and folders")
    return document


# ---- all ----


def _dataset(kind: str, classes: tuple[str, ...], images: list[Labelled], folder: Path) -> Dataset:
    if not images:
        raise InvalidInput(f"{folder} holds no labelled image")
    if len(images) > MAX_IMAGES:
        raise TooLarge(f"{folder} holds more than {MAX_IMAGES} images")
    if not any(len(image.class_ids) for image in images):
        raise InvalidInput(f"{folder}: no image of {len(images)} has a labelled object")
    return Dataset(kind, classes, sorted(images, key=lambda one: one.path))


def _distinct(names: tuple[str, ...], file: Path) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"{file} names class {name!r} twice")
    return names


def _check_box(box: list[float], where: str) -> None:
    if not all(math.isfinite(value) for value in box) or box[2] < box[0] or box[3] < box[1]:
        raise InvalidInput(f"{where}: {box} is no box")


def _beside(places: Iterable[Path], stem: str, file: Path) -> Path:
    for place in places:
        for suffix in IMAGE_SUFFIXES:
            for path in (place / f"{stem}{suffix}", place / f"{stem}{suffix.upper()}"):
                if path.is_file():
                    return path
    raise InvalidInput(f"{file}: there is no image {stem} with it")


def _bounded(file: Path) -> bytes:
    with file.open("rb") as opened:
        data = opened.read(MAX_LABEL_BYTES + 1)
    if len(data) > MAX_LABEL_BYTES:
        raise TooLarge(f"{file} is larger than {MAX_LABEL_BYTES} bytes")
    return data


def _lines(file: Path) -> list[str]:
    try:
        return _bounded(file).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not text in UTF-8") from error
