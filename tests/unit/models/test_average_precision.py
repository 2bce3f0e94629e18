"""Average precision against pycocotools, on generated detections."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hearth_models.evaluation.average_precision import (
    AREAS,
    Matches,
    average_precisions,
    match_class,
)
from hearth_models.evaluation.truth import Labelled
from hearth_vision.detections import Detections

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

AGREEMENT = 0.001
CLASSES = 3


def generated(
    seed: int, pictures: int = 12
) -> tuple[list[Labelled], list[Detections], dict[str, Any], list[dict[str, Any]]]:
    """Objects of all sizes, some of them crowds, and detections near, doubled, far and wrong."""
    random = np.random.default_rng(seed)
    truth, found, annotations, results = [], [], [], []
    for picture in range(pictures):
        count = int(random.integers(0, 8))
        corners = random.uniform(0, 400, (count, 2))
        sides = 2 ** random.uniform(2, 8, (count, 2))
        boxes = np.concatenate([corners, corners + sides], axis=1).round(1)
        ids = random.integers(0, CLASSES, count)
        crowd = random.random(count) < 0.2
        areas = (sides.prod(axis=1) * random.uniform(0.5, 1, count)).round(2)
        truth.append(Labelled.of(Path(f"{picture}.jpg"), boxes, ids, crowd=crowd, areas=areas))
        for box, class_id, many, area in zip(boxes, ids, crowd, areas, strict=True):
            x1, y1, x2, y2 = box.tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": picture,
                    "category_id": int(class_id),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": float(area),
                    "iscrowd": int(many),
                }
            )
        rows = []
        for box, class_id in zip(boxes, ids, strict=True):
            for _ in range(int(random.integers(0, 4))):
                moved = box + random.normal(0, 0.08 * (box[2] - box[0] + 1), 4)
                said = class_id if random.random() < 0.85 else random.integers(0, CLASSES)
                rows.append((moved, said))
        for _ in range(int(random.integers(0, 6))):
            corner = random.uniform(0, 400, 2)
            rows.append(
                (
                    np.concatenate([corner, corner + 2 ** random.uniform(2, 8, 2)]),
                    random.integers(3),
                )
            )
        found.append(_detections(rows, random))
        for box, score, said in zip(
            found[-1].boxes.tolist(), found[-1].scores.tolist(), found[-1].class_ids, strict=True
        ):
            x1, y1, x2, y2 = box
            results.append(
                {
                    "image_id": picture,
                    "category_id": int(said),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": score,
                }
            )
    document = {
        "images": [{"id": picture, "width": 700, "height": 700} for picture in range(pictures)],
        "categories": [{"id": one, "name": str(one)} for one in range(CLASSES)],
        "annotations": annotations,
    }
    return truth, found, document, results


def _detections(rows: list[tuple[Any, Any]], random: np.random.Generator) -> Detections:
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    boxes = np.concatenate([boxes[:, :2], np.maximum(boxes[:, :2] + 0.5, boxes[:, 2:])], axis=1)
    # Rounded, so that scores are often equal.
    scores = random.uniform(0.01, 1, len(rows)).round(2).astype(np.float32)
    return Detections(boxes, scores, np.array([row[1] for row in rows], np.int64).reshape(-1))


def of_pycocotools(document: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = document
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    names = ("ap50_95", "ap50", "ap75", "small", "medium", "large")
    values = dict(zip(names, judge.stats[:6].tolist(), strict=True))
    # (overlaps, recalls, classes, areas, limits): each class alone
    for class_id in range(CLASSES):
        precision = judge.eval["precision"][:, :, class_id, 0, -1]
        values[f"class{class_id}"] = float(precision.mean()) if (precision > -1).all() else -1.0
    return values


def ours(truth: list[Labelled], found: list[Detections]) -> dict[str, float]:
    by_area = {
        area: [
            average_precisions(match_class(truth, found, class_id, bounds))
            for class_id in range(CLASSES)
        ]
        for area, bounds in AREAS.items()
    }
    known = [one for one in by_area["all"] if one is not None]
    values = {
        "ap50_95": float(np.mean(known)) if known else -1.0,
        "ap50": float(np.mean([one[0] for one in known])) if known else -1.0,
        "ap75": float(np.mean([one[5] for one in known])) if known else -1.0,
    }
    for area in ("small", "medium", "large"):
        some = [one for one in by_area[area] if one is not None]
        values[area] = float(np.mean(some)) if some else -1.0
    for class_id, one in enumerate(by_area["all"]):
        values[f"class{class_id}"] = float(one.mean()) if one is not None else -1.0
    return values


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_it_agrees_with_pycocotools_with_crowds_areas_and_equal_scores(seed: int) -> None:
    truth, found, document, results = generated(seed)
    if not results or not document["annotations"]:
        return
    assert ours(truth, found) == pytest.approx(of_pycocotools(document, results), abs=AGREEMENT)


def test_more_than_a_hundred_detections_of_a_class_do_not_count() -> None:
    truth = [Labelled.of(Path("a"), [[0, 0, 10, 10]], [0])]
    rows = [([20, 20, 30, 30], 0)] * 100 + [([0, 0, 10, 10], 0)]
    scores = np.linspace(1, 0.1, 101, dtype=np.float32)
    boxes = np.array([row[0] for row in rows], np.float32)
    found = [Detections(boxes, scores, np.zeros(101, np.int64))]
    precisions = average_precisions(match_class(truth, found, 0))
    assert precisions is not None
    assert precisions.max() == 0


def test_a_difficult_object_is_neither_missed_nor_found() -> None:
    box = [[0, 0, 10, 10]]
    truth = [Labelled.of(Path("a"), box, [0], ignored=[True]), Labelled.of(Path("b"), box, [0])]
    one = Detections(np.array(box, np.float32), np.array([0.9], np.float32), np.zeros(1, np.int64))
    matches = match_class(truth, [one, one], 0)
    assert matches.objects == 1
    assert matches.counted[0].tolist() == [False, True]
    precisions = average_precisions(matches)
    assert precisions is not None
    assert precisions == pytest.approx(np.ones(10))


def test_without_objects_there_is_no_precision_and_without_detections_it_is_zero() -> None:
    empty = [Labelled.of(Path("a"), [], [])]
    assert average_precisions(match_class(empty, [Detections.empty()], 0)) is None
    one = [Labelled.of(Path("a"), [[0, 0, 10, 10]], [0])]
    precisions = average_precisions(match_class(one, [Detections.empty()], 0))
    assert precisions is not None
    assert precisions.tolist() == [0.0] * 10
    nothing = np.zeros((10, 0), bool)
    assert average_precisions(Matches(np.zeros(0), nothing, nothing, 0)) is None
