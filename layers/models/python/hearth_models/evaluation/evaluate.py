"""Runs a detector over labelled images and measures it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hearth.errors import HearthError, InvalidInput
from hearth_models.evaluation.average_precision import AREAS, average_precisions, match_class
from hearth_models.evaluation.thresholds import (
    MIN_OBJECTS,
    THRESHOLDS,
    Error,
    confusion,
    point,
    suggested,
)
from hearth_models.evaluation.truth import Dataset, Labelled
from hearth_vision.detections import Detections
from hearth_vision.detector import Detector
from hearth_vision.images import Bgr, ImageLimits, decode_image

LEAST_SCORE: Final = 0.001
"""The detector's threshold here: average precision needs low scores, too."""


@dataclass(frozen=True, eq=False, slots=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        facts: For JSON.
        truth: The images that count, class ids as in `facts["classes"]`.
        errors: At the thresholds in `facts`.
    """

    facts: dict[str, Any]
    truth: list[Labelled]
    errors: list[Error]


def evaluate(detector: Detector, dataset: Dataset, confidence: float | None = None) -> Evaluation:
    """Measure a detector that was loaded with the threshold `LEAST_SCORE`.

    Args:
        confidence: Threshold of the confusion; None takes what is suggested for each class.

    Raises:
        InvalidInput: No class of the dataset is one of the model's, or no image can be read.
    """
    classes, of_model, of_dataset = shared_classes(detector.info.classes, dataset.classes)
    left_out: list[str] = []
    truth: list[Labelled] = []
    found = [
        _translated(detections, of_model)
        for detections in detector.detect(_images(dataset, of_dataset, truth, left_out))
    ]
    if not truth:
        raise InvalidInput(f"no image of {len(dataset.images)} can be read: {left_out[0]}")
    return measure(truth, found, classes, confidence, _about(detector, dataset, left_out))


def measure(
    truth: Sequence[Labelled],
    found: Sequence[Detections],
    classes: Sequence[str],
    confidence: float | None,
    about: dict[str, Any],
) -> Evaluation:
    """The figures, from labels and detections with the same class ids."""
    rows: list[dict[str, Any]] = []
    chosen: list[float] = []
    for class_id, name in enumerate(classes):
        by_area = {
            area: average_precisions(match_class(truth, found, class_id, bounds))
            for area, bounds in AREAS.items()
        }
        matches = match_class(truth, found, class_id)
        best = suggested(matches)
        chosen.append(confidence if confidence is not None else best.threshold if best else 0.5)
        precisions = by_area["all"]
        rows.append(
            {
                "class": name,
                "objects": matches.objects,
                "ap50": _at(precisions, 0),
                "ap75": _at(precisions, 5),
                "ap50_95": _mean(precisions),
                "ap50_95_by_area": {area: _mean(one) for area, one in by_area.items()},
                "suggested_threshold": best.threshold if best else None,
                "at_suggested": _point(best),
                "met": matches.objects > 0 or bool((matches.scores >= chosen[-1]).any()),
                "threshold_used": chosen[-1],
                "at_threshold_used": _point(point(matches, chosen[-1])),
                "by_threshold": [_point(point(matches, t)) for t in THRESHOLDS],
            }
        )
    table, errors = confusion(truth, found, len(classes), chosen)
    facts = {
        **about,
        "classes": list(classes),
        "pictures": len(truth),
        "objects": sum(row["objects"] for row in rows),
        "ap50": _over(rows, "ap50"),
        "ap75": _over(rows, "ap75"),
        "ap50_95": _over(rows, "ap50_95"),
        "ap50_95_by_area": {
            area: _average([row["ap50_95_by_area"][area] for row in rows]) for area in AREAS
        },
        "per_class": rows,
        "confusion": {
            "rows": [*classes, "nothing there"],
            "columns": [*classes, "not found"],
            "counts": table.tolist(),
        },
        "suggestion_needs_objects": MIN_OBJECTS,
    }
    return Evaluation(facts, list(truth), errors)


def shared_classes(
    model: Sequence[str], dataset: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Classes that both know, by name; capitals, blanks, `-` and `_` make no difference.

    Returns:
        Names as the model says them; for each class of the model, and of the dataset, its position
        among them or -1.

    Raises:
        InvalidInput: There are none.
    """
    wanted = {_plain(name): index for index, name in enumerate(dataset)}
    names = tuple(name for name in model if _plain(name) in wanted)
    if not names:
        raise InvalidInput(
            f"no class of the dataset ({', '.join(dataset[:10])}) is one of the model's "
            f"({', '.join(model[:10])}); name them alike"
        )
    of_model = np.array([names.index(n) if n in names else -1 for n in model], np.int64)
    of_dataset = np.full(len(dataset), -1, np.int64)
    for position, name in enumerate(names):
        of_dataset[wanted[_plain(name)]] = position
    return names, of_model, of_dataset


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "").replace(" ", "")


def _images(
    dataset: Dataset, of_dataset: NDArray[np.int64], truth: list[Labelled], left_out: list[str]
) -> Iterator[Bgr]:
    for labelled in dataset.images:
        try:
            image = decode_image(labelled.path.read_bytes(), ImageLimits())
        except (HearthError, OSError) as error:
            left_out.append(f"{labelled.path.name}: {error}")
            continue
        ids = of_dataset[labelled.class_ids]
        kept = ids >= 0
        truth.append(
            Labelled(
                labelled.path,
                labelled.boxes[kept],
                ids[kept],
                labelled.crowd[kept],
                labelled.ignored[kept],
                labelled.areas[kept],
            )
        )
        yield image


def _translated(detections: Detections, of_model: NDArray[np.int64]) -> Detections:
    ids = of_model[detections.class_ids]
    kept = ids >= 0
    return Detections(detections.boxes[kept], detections.scores[kept], ids[kept])


def _about(detector: Detector, dataset: Dataset, left_out: list[str]) -> dict[str, Any]:
    info = detector.info
    known = {_plain(name) for name in info.classes}
    return {
        "model": {
            "id": info.model_id,
            "name": info.name,
            "sha256": info.sha256,
            "variant": info.variant,
            "precision": info.precision,
            "detail": info.detail,
        },
        "dataset": {
            "format": dataset.format,
            "classes_unknown_to_the_model": [
                name for name in dataset.classes if _plain(name) not in known
            ],
            "pictures_left_out": left_out[:100],
        },
    }


def _at(precisions: NDArray[np.float64] | None, index: int) -> float | None:
    return None if precisions is None else round(float(precisions[index]), 6)


def _mean(precisions: NDArray[np.float64] | None) -> float | None:
    return None if precisions is None else round(float(precisions.mean()), 6)


def _over(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    return _average([row[key] for row in rows])


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if known else None


def _point(one: Any) -> dict[str, Any] | None:
    if one is None:
        return None
    return {name: getattr(one, name) for name in one.__slots__}
