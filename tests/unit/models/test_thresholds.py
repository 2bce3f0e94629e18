"""Precision, recall, the threshold to choose, and what is taken for what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hearth_models.evaluation.average_precision import Matches, match_class
from hearth_models.evaluation.thresholds import confusion, point, suggested, worst
from hearth_models.evaluation.truth import Labelled
from hearth_vision.detections import Detections

HERE, THERE = [0, 0, 10, 10], [50, 50, 60, 60]


def found(*rows: tuple[list[int], float, int]) -> Detections:
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
    )


def matches(scores: list[float], right: list[bool], objects: int) -> Matches:
    order = np.argsort(-np.array(scores))
    table = np.tile(np.array(right, bool)[order], (10, 1))
    return Matches(np.array(scores)[order], table, np.ones_like(table), objects)


@pytest.mark.parametrize(
    ("threshold", "right", "wrong", "missed", "precision", "recall"),
    [
        (0.1, 2, 1, 1, 0.6667, 0.6667),
        (0.5, 1, 1, 2, 0.5, 0.3333),
        (0.95, 0, 0, 3, None, 0.0),
    ],
)
def test_counts_at_a_threshold(
    threshold: float,
    right: int,
    wrong: int,
    missed: int,
    precision: float | None,
    recall: float | None,
) -> None:
    one = point(matches([0.9, 0.6, 0.3], [True, False, True], 3), threshold)
    assert (one.right, one.wrong, one.missed) == (right, wrong, missed)
    assert (one.precision, one.recall) == (precision, recall)


def test_empty_counts_have_no_precision_recall_or_f1() -> None:
    one = point(Matches(np.zeros(0), np.zeros((10, 0), bool), np.zeros((10, 0), bool), 0), 0.5)
    assert (one.precision, one.recall, one.f1) == (None, None, None)


def test_the_suggested_threshold_separates_wrong_from_right_detections() -> None:
    scores = [0.8] * 20 + [0.4] * 20
    best = suggested(matches(scores, [True] * 20 + [False] * 20, 20))
    assert best is not None
    assert best.threshold == pytest.approx(0.8)
    assert best.f1 == 1


def test_no_threshold_is_suggested_from_a_few_objects_or_from_nothing_found() -> None:
    assert suggested(matches([0.9] * 19, [True] * 19, 19)) is None
    assert suggested(matches([0.9], [False], 100)) is None


@pytest.mark.parametrize(
    ("labels", "detections", "table"),
    [
        ([], [], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
        ([(HERE, 0)], [(HERE, 0.9, 0)], [[1, 0, 0], [0, 0, 0], [0, 0, 0]]),
        # taken for the other class
        ([(HERE, 0)], [(HERE, 0.9, 1)], [[0, 1, 0], [0, 0, 0], [0, 0, 0]]),
        ([(HERE, 0)], [(THERE, 0.9, 1)], [[0, 0, 1], [0, 0, 0], [0, 1, 0]]),
        # below the threshold it was not said
        ([(HERE, 0)], [(HERE, 0.4, 0)], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]),
        # the right class is believed, however sure the wrong one is
        ([(HERE, 0)], [(HERE, 0.9, 1), (HERE, 0.6, 0)], [[1, 0, 0], [0, 0, 0], [0, 1, 0]]),
    ],
)
def test_the_confusion_matrix_counts_mistaken_classes(
    labels: list[tuple[list[int], int]],
    detections: list[tuple[list[int], float, int]],
    table: list[list[int]],
) -> None:
    truth = [Labelled.of(Path("a"), [one[0] for one in labels], [one[1] for one in labels])]
    counts, errors = confusion(truth, [found(*detections)], 2, [0.5, 0.5])
    assert counts.tolist() == table
    diagonal = sum(table[i][i] for i in range(2))
    assert len(errors) == sum(map(sum, table)) - diagonal


def test_detections_of_ignored_objects_are_no_errors() -> None:
    truth = [Labelled.of(Path("a"), [HERE], [0], ignored=[True])]
    counts, errors = confusion(truth, [found((HERE, 0.9, 0), (HERE, 0.8, 1))], 2, [0.5, 0.5])
    assert counts.sum() == 0
    assert errors == []


def test_the_worst_are_large_misses_and_sure_mistakes() -> None:
    large = [0, 0, 100, 100]
    truth = [Labelled.of(Path("a"), [HERE, large], [0, 0])]
    said = found(([200, 200, 210, 210], 0.6, 0), ([300, 300, 310, 310], 0.9, 0))
    _, errors = confusion(truth, [said], 1, [0.5])
    chosen = worst(errors, truth, 2)
    assert [(one.missed, one.score) for one in chosen] == [
        (True, 0.0),
        (False, pytest.approx(0.9)),
    ]
    assert chosen[0].box == (0, 0, 100, 100)
    assert worst([], truth, 2) == []


def test_counts_agree_with_the_matches_of_average_precision() -> None:
    truth = [Labelled.of(Path("a"), [HERE, THERE], [0, 0])]
    said = [found((HERE, 0.9, 0), (HERE, 0.8, 0), (THERE, 0.3, 0))]
    one = point(match_class(truth, said, 0), 0.5)
    assert (one.right, one.wrong, one.missed) == (1, 1, 1)
