"""How well the models that Hearth brings find people and faces, beside what they replace.

    HEARTH_SHARED=… [HEARTH_FACES=…] .venv/bin/python -m tests.performance.default_models

People: the two shared clips. Their cameras stand still and one person is on them at a time, so that
what differs from the empty scene is the person: labels that no detector had a part in. Frames on
which less than a quarter of the height differs (a foot, a shadow) are left out.

Faces: portraits labelled by eye, in several sizes, mirrored and dark, set into an empty frame.
HEARTH_FACES names the folder tests/test_images of the source package of face-recognition 1.3.0
(portraits by the White House, in the public domain); without it there is scikit-image's astronaut.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from functions.detection.incidents.evidence import FaceFinder
from hearth_vision.default_models import PERSON_CONFIDENCE, PERSONS
from hearth_vision.detections import Detections
from hearth_vision.detector import DetectorConfig
from hearth_vision.faces import HaarFaces, load_center_face
from hearth_vision.images import Bgr
from hearth_vision.loading import load_detector
from hearth_vision.nms import box_iou
from hearth_vision.onnx_detector import OnnxDetector
from tests.support.default_models import MODELS, installed
from tests.unit.vision.photographs import photograph

Box = tuple[float, float, float, float]
Find = Callable[[Bgr], Detections]
THREADS = 1
DIFFERS = 30.0  # CIELAB distance, of 8-bit values
EVERY = 6  # frames of the longer clip
UNSURE = 0.05  # average precision looks at lower scores too

PORTRAITS: Mapping[str, Box] = {
    "biden.jpg": (415, 170, 743, 562),
    "obama.jpg": (370, 130, 623, 406),
    "obama2.jpg": (200, 216, 475, 625),
    "obama3.jpg": (624, 327, 892, 612),
    "obama_partial_face.jpg": (0, 139, 196, 415),
    "obama_partial_face2.jpg": (366, 139, 551, 415),
}
ASTRONAUT: Box = (190, 69, 266, 180)
FACE_HEIGHTS = (16, 24, 40, 80, 120)  # pixels
WITHOUT_FACES = ("brick.png", "chelsea.png", "coffee.png", "coins.png")


@dataclass(frozen=True)
class Labelled:
    """An image and its boxes; None where it is left out."""

    image: Bgr
    boxes: tuple[Box, ...] | None


def main() -> None:
    folder = os.environ.get("HEARTH_SHARED")
    if not folder:
        sys.exit("HEARTH_SHARED is not set: there are no clips to measure with")
    cv2.setNumThreads(THREADS)
    shared = Path(folder)
    clips = {"one-by-one": one_by_one(shared), "worker-zone": worker_zone(shared)}
    result = {
        "persons": {
            name: {clip: measure_persons(find, at, frames) for clip, frames in clips.items()}
            for name, (find, at) in person_detectors(shared).items()
        },
        "faces": measure_faces(clips["one-by-one"][0].image),
    }
    print(json.dumps(result, indent=2))


# ---- people ----


def one_by_one(shared: Path) -> list[Labelled]:
    film = cv2.VideoCapture(str(shared / "data/video/one-by-one-person-detection.mp4"))
    frames: list[Bgr] = []
    while film.grab():
        frames.append(film.retrieve()[1])  # type: ignore[arg-type]
    frames = frames[::EVERY]
    return label(frames, np.median(frames[:8], axis=0).astype(np.uint8))


def worker_zone(shared: Path) -> list[Labelled]:
    """The worker comes in on the right and ends on the left; each half is empty at another time.

    The camera moves a little, and a pillar above the worker with it: the helmet is the upper edge.
    """
    with Image.open(shared / "data/video/worker-zone-detection.gif") as film:
        frames = [np.asarray(frame.convert("RGB"))[:, :, ::-1].copy() for frame in _frames(film)]
    empty = np.median(frames[40:], axis=0).astype(np.uint8)
    empty[:, :195] = np.median(frames[:6], axis=0)[:, :195]
    return [_from_helmet(one) for one in label(frames, empty)]


def _frames(film: Image.Image) -> Iterator[Image.Image]:
    for number in range(film.n_frames):  # type: ignore[attr-defined]
        film.seek(number)
        yield film


def _from_helmet(one: Labelled) -> Labelled:
    if not one.boxes:
        return one
    [(x1, y1, x2, y2)] = one.boxes
    hsv = cv2.cvtColor(one.image, cv2.COLOR_BGR2HSV)[int(y1) : int(y2), int(x1) : int(x2)]
    yellow = cv2.inRange(hsv, (20, 120, 120), (35, 255, 255)) > 0  # type: ignore[call-overload]
    rows = np.flatnonzero(yellow.sum(axis=1) >= 4)
    return Labelled(one.image, ((x1, y1 + rows[0], x2, y2),)) if len(rows) else one


def label(frames: Sequence[Bgr], empty: Bgr) -> list[Labelled]:
    """Frames with the box of what differs from the empty scene."""
    scene = cv2.cvtColor(empty, cv2.COLOR_BGR2LAB).astype(np.float32)
    height, width = empty.shape[:2]
    side = max(3, height // 100 | 1)
    labelled = []
    for image in frames:
        lab = cv2.cvtColor(cv2.GaussianBlur(image, (5, 5), 0), cv2.COLOR_BGR2LAB)
        mask = (np.linalg.norm(lab.astype(np.float32) - scene, axis=2) > DIFFERS).astype(np.uint8)
        opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((side, side)))
        whole = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((4 * side, 2 * side)))
        _, _, parts, _ = cv2.connectedComponentsWithStats(whole)
        boxes: tuple[Box, ...] | None = ()
        if len(parts) > 1:
            x, y, wide, high, area = map(int, parts[1 + np.argmax(parts[1:, 4])])
            if area > 0.002 * height * width:
                boxes = ((x, y, x + wide, y + high),) if high >= height / 4 else None
        labelled.append(Labelled(image, boxes))
    return labelled


def person_detectors(shared: Path) -> dict[str, tuple[Callable[[float], Find], float]]:
    """Name → a detector at a threshold, and the threshold that is judged."""
    classes = tuple((shared / "models/coco.names").read_text().splitlines())
    yolox = shared / "models/yolox_nano.onnx"

    def find(detector: Any) -> Find:
        return lambda image: detector.detect([image])[0]

    def config(confidence: float, **options: Any) -> DetectorConfig:
        return DetectorConfig(confidence=confidence, threads=THREADS, **options)

    def nano(confidence: float) -> Find:
        found = find(load_detector(config(confidence, model_path=yolox, classes=classes)))
        return lambda image: _people(found(image))

    return {
        "HOG": (lambda c: find(load_detector(config(c))), 0.5),
        "SSDLite, whole image": (
            lambda c: find(OnnxDetector(installed(PERSONS), config(c))),
            PERSON_CONFIDENCE,
        ),
        "SSDLite, with tiles": (
            lambda c: find(load_detector(config(c, default_models=MODELS))),
            PERSON_CONFIDENCE,
        ),
        "YOLOX-nano": (nano, PERSON_CONFIDENCE),
    }


def _people(found: Detections) -> Detections:
    return found.select(found.class_ids == 0)


def measure_persons(
    detector: Callable[[float], Find], threshold: float, frames: Sequence[Labelled]
) -> dict[str, object]:
    judged = [one for one in frames if one.boxes is not None]
    find = detector(threshold)
    find(judged[0].image)
    started = time.perf_counter()
    found = [find(one.image) for one in judged]
    milliseconds = (time.perf_counter() - started) / len(judged) * 1000
    right = reported = labelled = seen = with_person = off = 0
    for one, sure in zip(judged, found, strict=True):
        boxes = np.array(one.boxes, np.float32).reshape(-1, 4)
        right += int((box_iou(boxes, sure.boxes).max(axis=1, initial=0) >= 0.5).sum())
        reported += len(sure)
        labelled += len(boxes)
        with_person += bool(len(boxes))
        seen += bool(len(boxes) and len(sure))
        off += len(sure) if not len(boxes) else 0
    unsure = detector(UNSURE)
    every = [unsure(one.image) for one in judged]
    return {
        "AP50": round(average_precision([one.boxes or () for one in judged], every), 3),
        "threshold": threshold,
        "precision": round(right / reported, 3) if reported else None,
        "recall": round(right / labelled, 3),
        "frames_with_the_person_found": f"{seen} of {with_person}",
        "false_persons_on_empty_frames": f"{off} on {len(judged) - with_person}",
        "ms_an_image": round(milliseconds, 1),
    }


def average_precision(labels: Sequence[Sequence[Box]], found: Sequence[Detections]) -> float:
    """At an overlap of 0.5, by pycocotools."""

    def rectangle(box: Sequence[float]) -> list[float]:
        return [float(v) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1])]

    truth = [
        {
            "image_id": number,
            "category_id": 1,
            "bbox": rectangle(box),
            "area": float((box[2] - box[0]) * (box[3] - box[1])),
            "iscrowd": 0,
        }
        for number, boxes in enumerate(labels)
        for box in boxes
    ]
    answers = [
        {
            "image_id": number,
            "category_id": 1,
            "bbox": rectangle(box),
            "score": float(score),
        }
        for number, one in enumerate(found)
        for box, score in zip(one.boxes, one.scores, strict=True)
    ]
    if not answers:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": number} for number in range(len(labels))],
            "categories": [{"id": 1}],
            "annotations": [{"id": at, **one} for at, one in enumerate(truth, 1)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(answers), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[1])


# ---- faces ----


def measure_faces(scene: Bgr) -> dict[str, object]:
    images = [*faces_in(scene), *(Labelled(photograph(name), ()) for name in WITHOUT_FACES)]
    finders: dict[str, FaceFinder] = {
        "Haar": HaarFaces(),
        "CenterFace": load_center_face(MODELS, THREADS),
    }
    return {
        "faces": sum(len(one.boxes or ()) for one in images),
        "images": len(images),
        **{name: _measure_faces(finder.find, images) for name, finder in finders.items()},
    }


def faces_in(scene: Bgr) -> Iterator[Labelled]:
    """Each portrait in each size, as it is, mirrored, and dark."""
    portraits = [(photograph("astronaut.png"), ASTRONAUT)]
    if folder := os.environ.get("HEARTH_FACES"):
        for name, box in PORTRAITS.items():
            image = cv2.imread(str(Path(folder) / name))
            if image is None:
                sys.exit(f"{Path(folder) / name} does not exist")
            portraits.append((image, box))  # type: ignore[arg-type]
    for image, box in portraits:
        mirror = (image.shape[1] - box[2], box[1], image.shape[1] - box[0], box[3])
        dark = (image * 0.4).astype(np.uint8)
        for version, place in ((image, box), (image[:, ::-1], mirror), (dark, box)):
            for height in FACE_HEIGHTS:
                yield _set_into(scene, version, place, height / (box[3] - box[1]))


def _set_into(scene: Bgr, portrait: Bgr, box: Box, scale: float) -> Labelled:
    """A portrait in the middle of a scene; what is higher than the scene is cut below."""
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = scene.copy()
    small = small[: canvas.shape[0]]
    left, top = (canvas.shape[1] - small.shape[1]) // 2, (canvas.shape[0] - small.shape[0]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    x1, y1, x2, y2 = (value * scale for value in box)
    return Labelled(canvas, ((left + x1, top + y1, left + x2, top + y2),))


def _measure_faces(find: Find, images: Sequence[Labelled]) -> dict[str, object]:
    right = labelled = false = 0
    started = time.perf_counter()
    found = [find(one.image) for one in images]
    milliseconds = (time.perf_counter() - started) / len(images) * 1000
    for one, faces in zip(images, found, strict=True):
        boxes = np.array(one.boxes, np.float32).reshape(-1, 4)
        overlap = box_iou(boxes, faces.boxes)
        right += int((overlap.max(axis=1, initial=0) >= 0.3).sum())
        false += int((overlap.max(axis=0, initial=0) < 0.1).sum())
        labelled += len(boxes)
    return {
        "recall": round(right / labelled, 3),
        "off_any_face": false,
        "ms_an_image": round(milliseconds, 1),
    }


if __name__ == "__main__":
    main()
