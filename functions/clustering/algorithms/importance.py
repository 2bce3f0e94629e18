"""Which columns a target depends on: a forest (Breiman 2001) whose columns are shuffled in turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

from functions.clustering.algorithms.answers import (
    ColumnImportance,
    Default,
    ImportanceAnswer,
    Method,
)
from functions.clustering.algorithms.fitted import ImportanceModel
from functions.clustering.algorithms.matrix import LARGEST, Table, standardise, stride
from functions.clustering.algorithms.parameters import SEED, ImportanceParameters, Task, field_error

TREES: Final = 100
HELD_OUT: Final = 0.25
FITTED_ROWS: Final = 10_000
SHUFFLED_COLUMNS: Final = 50
MAX_CLASSES: Final = 100
LEAST_ROWS: Final = 8
_FEW_VALUES: Final = 10
"""Whole numbers of no more than so many kinds are taken for classes."""
_PREDICTED_ROWS: Final = 500_000
"""Rows that the forest predicts in all, about 5 seconds."""

Floats = NDArray[np.float64]
Target = Sequence[float | str | bool | None]
Forest: TypeAlias = RandomForestClassifier | RandomForestRegressor


@dataclass(frozen=True, slots=True)
class _Aim:
    """A target that has been read.

    Attributes:
        values: float64, one a row: the target, or the index of its class; NaN where it is empty.
        classes: Of a classification, in order.
    """

    task: Literal["regression", "classification"]
    reason: str
    values: Floats
    classes: NDArray[np.float64] | NDArray[np.str_]


def importance(table: Table, target: Target, parameters: ImportanceParameters) -> ImportanceAnswer:
    """Fit a forest and shuffle its columns.

    Args:
        table: What the target may depend on.
        target: One value a row; None is an empty cell.

    Raises:
        InvalidInput: As for clusters; or a target of another length, of mixed kinds, with one value
            only, or one that the task cannot have.
    """
    aim = _read(table, target, parameters.task)
    if np.isnan(aim.values).any() and parameters.missing == "refuse":
        row = int(np.flatnonzero(np.isnan(aim.values))[0])
        raise field_error(
            f"target[{row}]",
            f'target[{row}] is empty. Fill it, or drop such rows with missing="drop"',
        )
    joined = Table(
        np.column_stack([table.values, aim.values]).astype(np.float64), (*table.columns, "target")
    )
    standard = standardise(joined, parameters.missing, LEAST_ROWS)
    used = standard.used[standard.used < len(table.columns)]
    wanted = aim.values[standard.order]
    if (wanted == wanted[0]).all():
        raise field_error("target", "the target has one value only, so nothing explains it")
    if not len(used):
        raise field_error("data", "every column holds one value only, so none explains the target")
    rows = standard.values[:, : len(used)]
    notes: list[str] = []
    chosen = stride(len(rows), FITTED_ROWS)
    if len(chosen) < len(rows):
        notes.append(f"The forest was fitted to and measured on {len(chosen)} of {len(rows)} rows")
    fitted, seen, held, known = _split(rows[chosen], wanted[chosen], aim, parameters.seed)
    kind = RandomForestClassifier if aim.task == "classification" else RandomForestRegressor
    forest: Forest = kind(TREES, random_state=parameters.seed).fit(fitted, seen)
    shares = np.asarray(forest.feature_importances_, np.float64)
    shuffled = np.sort(np.argsort(-shares, kind="stable")[:SHUFFLED_COLUMNS])
    if len(shuffled) < len(used):
        notes.append(
            f"Of {len(used)} columns the {len(shuffled)} that the forest splits by most were"
            " shuffled; the others are left out"
        )
    most = max(LEAST_ROWS, _PREDICTED_ROWS // (len(shuffled) * parameters.n_repeats))
    measured = stride(len(held), most)
    if len(measured) < len(held):
        notes.append(f"Columns were shuffled in {len(measured)} of {len(held)} rows held out")
    held, known = held[measured], known[measured]
    score, losses = _losses(forest, held, known, shuffled, aim, parameters)
    columns = [
        _column(table.columns[used[at]], line, float(shares[at]), parameters.confidence)
        for at, line in zip(shuffled, losses, strict=True)
    ]
    defaults = [Default("seed", SEED, "the seed of every answer that names none")]
    if parameters.task == "auto":
        defaults.insert(0, Default("task", aim.task, aim.reason))
    return ImportanceAnswer(
        columns=tuple(sorted(columns, key=lambda column: (-column.importance, column.column))),
        task=aim.task,
        task_reason=aim.reason,
        metric="balanced_accuracy" if aim.task == "classification" else "r2",
        score=score,
        baseline=1 / len(np.unique(known)) if aim.task == "classification" else 0.0,
        rows_fitted=len(fitted),
        rows_held_out=len(held),
        method=Method(
            aim.task,
            f"scikit-learn {kind.__name__}, {TREES} trees; each column shuffled"
            f" {parameters.n_repeats} times",
            True,
            f"a quarter of the rows is held out, so that what was learnt by heart counts for"
            f" nothing ({len(fitted)} fitted, {len(held)} measured)",
            tuple(notes),
        ),
        defaults=tuple(defaults if parameters.seed == SEED else defaults[:-1]),
        dropped=standard.dropped,
        model=ImportanceModel(
            columns=table.columns,
            used=used,
            mean=standard.mean[: len(used)],
            scale=standard.scale[: len(used)],
            task=aim.task,
            estimator=forest,
            classes=aim.classes,
        ),
    )


def _read(table: Table, target: Target, task: Task) -> _Aim:
    if len(target) != len(table.values):
        raise field_error(
            "target", f"{len(target)} targets for {len(table.values)} rows; one a row"
        )
    empty = np.array([_is_empty(value) for value in target], bool)
    known = [value for value, left in zip(target, empty, strict=True) if not left]
    words = sum(isinstance(value, str) for value in known)
    if words not in (0, len(known)):
        raise field_error("target", "the target mixes words and numbers; give one kind")
    if words and task == "regression":
        raise field_error("task", "the target is words, which only a classification predicts")
    values = np.full(len(target), np.nan)
    if not words:
        for row, value in enumerate(target):
            if not empty[row]:
                if abs(float(value)) > LARGEST:  # type: ignore[arg-type]
                    raise field_error(
                        f"target[{row}]", f"target[{row}] is infinite or beyond ±1e100"
                    )
                values[row] = float(value)  # type: ignore[arg-type]
    kinds: NDArray[Any] = np.unique(np.array(known, str) if words else values[~empty])
    chosen, reason = _task(task, kinds, bool(words))
    if chosen == "regression":
        return _Aim("regression", reason, values, np.empty(0))
    if len(kinds) > MAX_CLASSES:
        raise field_error(
            "target", f"the target has {len(kinds)} classes; at most {MAX_CLASSES} are supported"
        )
    values[~empty] = np.searchsorted(
        kinds, np.array(known, str) if words else values[~empty]
    ).astype(np.float64)
    return _Aim("classification", reason, values, kinds)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _task(
    task: Task, kinds: NDArray[Any], words: bool
) -> tuple[Literal["regression", "classification"], str]:
    if task != "auto":
        return task, "it was asked for"
    if words:
        return "classification", "the target is words"
    if len(kinds) <= _FEW_VALUES and (kinds == np.rint(kinds)).all():
        return "classification", (
            f"the target is whole numbers of {len(kinds)} kinds, no more than {_FEW_VALUES}"
        )
    return "regression", (f"the target is numbers of {len(kinds)} kinds, or not whole ones")


def _split(
    rows: NDArray[np.float32], wanted: Floats, aim: _Aim, seed: int
) -> tuple[NDArray[np.float32], Floats, NDArray[np.float32], Floats]:
    """A quarter of the rows held out, of each class if each has enough."""
    alike = None
    held_out = math.ceil(HELD_OUT * len(rows))
    if aim.task == "classification":
        _, counts = np.unique(wanted, return_counts=True)
        if counts.min() >= 2 and held_out >= len(counts):
            alike = wanted
    fitted, held, seen, known = train_test_split(
        rows, wanted, test_size=held_out, random_state=seed, stratify=alike
    )
    return fitted, seen, held, known


def _losses(
    forest: Forest,
    held: NDArray[np.float32],
    known: Floats,
    shuffled: NDArray[np.int64],
    aim: _Aim,
    parameters: ImportanceParameters,
) -> tuple[float, Floats]:
    """The score as it is, and what it loses: (shuffled columns, repeats)."""
    chance = np.random.default_rng(parameters.seed)
    score = _score(aim, known, forest.predict(held))
    losses = np.empty((len(shuffled), parameters.n_repeats))
    for line, column in enumerate(shuffled):
        stacked = np.tile(held, (parameters.n_repeats, 1))
        for repeat in range(parameters.n_repeats):
            block = slice(repeat * len(held), (repeat + 1) * len(held))
            stacked[block, column] = held[chance.permutation(len(held)), column]
        predicted = forest.predict(stacked).reshape(parameters.n_repeats, -1)
        losses[line] = [score - _score(aim, known, one) for one in predicted]
    return score, losses


def _score(aim: _Aim, known: Floats, predicted: Floats) -> float:
    if aim.task == "regression":
        return float(r2_score(known, predicted))
    # Classes that were not held out are no part of the mean; scikit-learn would warn of them.
    recalls = [float((predicted[known == one] == one).mean()) for one in np.unique(known)]
    return float(np.mean(recalls))


def _column(name: str, losses: Floats, share: float, confidence: float) -> ColumnImportance:
    mean = float(losses.mean())
    error = float(losses.std(ddof=1)) / math.sqrt(len(losses))
    reach = error * float(student.ppf((1 + confidence) / 2, len(losses) - 1))
    return ColumnImportance(
        column=name,
        importance=mean,
        low=mean - reach,
        high=mean + reach,
        share_of_splits=share,
        significant=mean - reach > 0,
    )
