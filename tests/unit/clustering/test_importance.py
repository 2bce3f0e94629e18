"""Which columns a target depends on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from functions.clustering.algorithms import importance as module
from functions.clustering.algorithms.importance import importance
from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import ImportanceParameters
from hearth.errors import InvalidInput

NAMES = ("outside", "wind", "noise", "site")


def house(rows: int = 240) -> tuple[Table, list[float]]:
    """Heating depends on the temperature outside, less on the wind, and not on noise."""
    chance = np.random.default_rng(0)
    values = chance.normal(0, 1, (rows, 4))
    values[:, 3] = 1
    heating = -3 * values[:, 0] + 1.5 * values[:, 1] + chance.normal(0, 0.2, rows)
    return Table(values, NAMES), heating.tolist()


def test_columns_come_in_the_order_in_which_the_target_depends_on_them() -> None:
    answer = importance(*house(), ImportanceParameters())

    assert [column.column for column in answer.columns] == ["outside", "wind", "noise"]
    assert [column.significant for column in answer.columns[:2]] == [True, True]
    assert answer.columns[2].importance < 0.05
    for column in answer.columns:
        assert column.low <= column.importance <= column.high
    assert (answer.task, answer.metric, answer.baseline) == ("regression", "r2", 0.0)
    assert answer.score > 0.8
    assert (answer.rows_fitted, answer.rows_held_out) == (180, 60)
    assert answer.dropped.columns == ("site",)
    assert sum(column.share_of_splits for column in answer.columns) == pytest.approx(1)


def test_a_target_of_text_is_classified() -> None:
    table, heating = house()
    words = ["on" if value > 0 else "off" for value in heating]
    answer = importance(table, words, ImportanceParameters())

    assert (answer.task, answer.metric, answer.baseline) == (
        "classification",
        "balanced_accuracy",
        0.5,
    )
    assert answer.task_reason == "the target is words"
    assert answer.columns[0].column == "outside"
    assert answer.score > 0.85
    assert answer.model.classes.tolist() == ["off", "on"]


@pytest.mark.parametrize(
    ("target", "task"),
    [
        ([0, 1] * 10, "classification"),
        ([True, False] * 10, "classification"),
        ([0.5, 1.0] * 10, "regression"),
        (list(range(20)), "regression"),
        (["a", "b"] * 10, "classification"),
    ],
)
def test_the_task_is_chosen_by_the_target_and_said(target: Any, task: str) -> None:
    values = np.random.default_rng(0).normal(size=(20, 2))
    answer = importance(Table(values, ("a", "b")), target, ImportanceParameters(n_repeats=2))
    assert answer.task == task
    assert answer.task_reason in {default.reason for default in answer.defaults}


def test_the_answer_does_not_depend_on_the_order_of_rows() -> None:
    table, heating = house(120)
    order = np.random.default_rng(1).permutation(120)
    first = importance(table, heating, ImportanceParameters())
    second = importance(
        Table(table.values[order], NAMES), [heating[at] for at in order], ImportanceParameters()
    )
    assert first.columns == second.columns
    assert first.score == second.score


def test_of_too_many_columns_and_rows_some_are_measured_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SHUFFLED_COLUMNS", 2)
    monkeypatch.setattr(module, "FITTED_ROWS", 100)
    monkeypatch.setattr(module, "_PREDICTED_ROWS", 200)
    answer = importance(*house(), ImportanceParameters())
    assert [column.column for column in answer.columns] == ["outside", "wind"]
    assert len(answer.method.notes) == 3
    assert answer.rows_fitted == 75
    assert answer.rows_held_out == 10


def test_a_row_without_a_target_is_refused_or_dropped_and_named() -> None:
    table, heating = house(60)
    target: list[Any] = list(heating)
    target[5] = None
    with pytest.raises(InvalidInput) as caught:
        importance(table, target, ImportanceParameters())
    assert caught.value.details[0]["field"] == "target[5]"
    answer = importance(table, target, ImportanceParameters(missing="drop"))
    assert answer.dropped.rows == (5,)


@pytest.mark.parametrize(
    ("target", "task", "field"),
    [
        ([1.0] * 19, "auto", "target"),
        ([1.0] * 20, "auto", "target"),
        (["a", 1.0] * 10, "auto", "target"),
        (["a", "b"] * 10, "regression", "task"),
        ([1.0, float("inf")] * 10, "auto", "target[1]"),
        ([f"word {n}" for n in range(20)], "auto", None),
    ],
)
def test_a_target_that_nothing_can_explain_is_named(
    target: Any, task: Any, field: str | None
) -> None:
    values = np.random.default_rng(0).normal(size=(20, 2))
    table = Table(values, ("a", "b"))
    if field is None:  # twenty classes of one row each are poor, and no error
        assert importance(table, target, ImportanceParameters(n_repeats=2)).score == 0
        return
    with pytest.raises(InvalidInput) as caught:
        importance(table, target, ImportanceParameters(task=task))
    assert caught.value.details[0]["field"] == field


def test_a_table_of_constants_or_of_few_rows_is_refused() -> None:
    for values, target in ((np.ones((20, 2)), range(20)), (np.eye(4), range(4))):
        with pytest.raises(InvalidInput) as caught:
            importance(
                Table(values, tuple("abcd"[: values.shape[1]])),
                [float(value) for value in target],
                ImportanceParameters(),
            )
        assert caught.value.details[0]["field"] == "data"
