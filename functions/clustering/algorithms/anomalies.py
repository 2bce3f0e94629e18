"""Rows that are unlike the others, and what is unusual about them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from functions.clustering.algorithms import path_length
from functions.clustering.algorithms.answers import (
    DROPPED,
    Anomaly,
    AnomalyAnswer,
    Contribution,
    ContributionMethod,
    Default,
    Method,
)
from functions.clustering.algorithms.fitted import AnomalyModel
from functions.clustering.algorithms.matrix import Standardised, Table, standardise, stride
from functions.clustering.algorithms.parameters import SEED, AnomalyParameters

TREES: Final = 100
NEIGHBOURS: Final = 20
EXPLAINED: Final = 100
FEATURES: Final = 5
LOF_ROWS: Final = 10_000
"""Rows that others are compared with: each costs a distance to each."""
_OCCLUSIONS: Final = 4_000
_MAD: Final = 0.6745
"""Iglewicz and Hoaglin (1993): makes the median deviation of a normal column 1."""
_MEAN_DEVIATION: Final = 1.253314
"""The same of the mean deviation, for columns more than half of which is one value."""

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_PATHS: Final = ContributionMethod(
    "path length",
    "splits that the column saves until the row is alone, mean over the trees",
    True,
    "Each split on a row's path changes its expected depth; the changes are added up by column"
    " (Saabas 2014). All columns together give the forest's mean depth less the row's.",
)
_SQUARES: Final = ContributionMethod(
    "squared z-score",
    "squared modified z-scores",
    True,
    "The score is the root of the sum of these over all columns.",
)
_OCCLUSION: Final = ContributionMethod(
    "occlusion",
    "local outlier factor",
    False,
    "How much lower the factor is when the column holds its median instead.",
)


def find_anomalies(table: Table, parameters: AnomalyParameters) -> AnomalyAnswer:
    """Find unusual rows.

    Raises:
        InvalidInput: As for clusters.
    """
    standard = standardise(table, parameters.missing)
    rows = standard.values
    median, scale = _robust(rows)
    explained = None
    match parameters.algorithm:
        case "isolation_forest":
            estimator, raw = _forest(rows, parameters.seed)
            made = Method("isolation_forest", f"scikit-learn IsolationForest, {TREES} trees", True,
                          "the trees draw 256 rows each, so it serves any size")  # fmt: skip
            how = _PATHS
        case "robust_zscore":
            estimator, raw = None, -np.sqrt(_squares(rows, median, scale).sum(axis=1))
            made = Method("robust_zscore", "modified z-scores (Iglewicz and Hoaglin 1993)", True,
                          "it serves any size")  # fmt: skip
            how = _SQUARES
        case "local_outlier_factor":
            estimator, raw, made = _factor(rows)
            how = _OCCLUSION
    offset = float(np.percentile(raw, 100 * parameters.contamination))
    scores = raw - offset
    worst = np.argsort(scores, kind="stable")[:EXPLAINED]
    worst = worst[scores[worst] < 0]
    if estimator is None:
        explained = _squares(rows[worst], median, scale)
    elif isinstance(estimator, IsolationForest):
        explained = path_length.contributions(estimator, rows[worst])
    else:
        worst = worst[: max(1, _OCCLUSIONS // rows.shape[1])]
        explained = _occluded(estimator, rows[worst], median)
    centre = standard.mean + standard.scale * median
    every = np.full(len(table.values), DROPPED, np.int64)
    every[standard.order] = np.where(scores < 0, -1, 1)
    decision = np.full(len(table.values), np.nan)
    decision[standard.order] = scores
    defaults = []
    if parameters.contamination == 0.1:
        defaults.append(Default("contamination", 0.1, "the lowest tenth of the scores"))
    if parameters.seed == SEED:
        defaults.append(Default("seed", SEED, "the seed of every answer that names none"))
    return AnomalyAnswer(
        labels=every,
        scores=decision,
        n_anomalies=int((every == -1).sum()),
        method=made,
        defaults=tuple(defaults),
        dropped=standard.dropped,
        anomalies=tuple(
            _anomaly(table, standard, at, float(scores[at]), line, centre)
            for at, line in zip(worst, explained, strict=True)
        ),
        contributions=how,
        model=AnomalyModel(
            columns=table.columns,
            used=standard.used,
            algorithm=parameters.algorithm,
            mean=standard.mean,
            scale=standard.scale,
            median=median,
            deviation=scale,
            offset=offset,
            estimator=estimator,
        ),
    )


def raw_scores(model: AnomalyModel, rows: NDArray[np.float32]) -> Floats:
    """What the offset is taken from: the lower, the more unusual."""
    if isinstance(model.estimator, IsolationForest):
        return np.asarray(model.estimator.score_samples(rows), np.float64)
    if model.estimator is None:
        lengths: Floats = np.sqrt(_squares(rows, model.median, model.deviation).sum(axis=1))
        return -lengths
    return np.asarray(model.estimator.score_samples(rows), np.float64)


def _forest(rows: NDArray[np.float32], seed: int) -> tuple[IsolationForest, Floats]:
    forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(rows)
    return forest, np.asarray(forest.score_samples(rows), np.float64)


def _factor(rows: NDArray[np.float32]) -> tuple[LocalOutlierFactor, Floats, Method]:
    compared = stride(len(rows), LOF_ROWS)
    neighbours = min(NEIGHBOURS, len(compared) - 1)
    factor = LocalOutlierFactor(n_neighbors=neighbours, algorithm="brute", novelty=True).fit(
        rows[compared]
    )
    sampled = len(compared) < len(rows)
    raw = factor.score_samples(rows) if sampled else factor.negative_outlier_factor_
    made = Method(
        "local_outlier_factor",
        f"scikit-learn LocalOutlierFactor, {neighbours} neighbours",
        not sampled,
        f"{len(rows)} rows"
        + (
            f" are compared with {LOF_ROWS} of them" if sampled else " are compared with each other"
        ),
    )
    return factor, np.maximum(np.asarray(raw, np.float64), -1e12), made


def _robust(rows: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Median of each column, and what a modified z-score divides by."""
    median = np.median(rows, axis=0).astype(np.float64)
    scale = np.empty(rows.shape[1])
    for column in range(rows.shape[1]):
        deviations = np.abs(rows[:, column].astype(np.float64) - median[column])
        middle = np.median(deviations)
        scale[column] = middle / _MAD if middle > 0 else _MEAN_DEVIATION * deviations.mean()
    return median, scale


def _squares(rows: NDArray[np.float32], median: Floats, scale: Floats) -> Floats:
    squares: Floats = ((rows - median) / scale) ** 2
    return squares


def _occluded(factor: LocalOutlierFactor, rows: NDArray[np.float32], median: Floats) -> Floats:
    """How much each column adds to the factor of each row; (rows, columns)."""
    count, columns = rows.shape
    if not count:
        return np.empty((0, columns))
    changed = np.repeat(rows[:, None, :], columns, axis=1)
    every = np.arange(columns)
    changed[:, every, every] = median
    without = factor.score_samples(changed.reshape(-1, columns)).reshape(count, columns)
    gained: Floats = without - factor.score_samples(rows)[:, None]
    return np.clip(gained, -1e12, 1e12)


def _anomaly(
    table: Table,
    standard: Standardised,
    at: int,
    score: float,
    line: Floats,
    centre: Floats,
) -> Anomaly:
    row = int(standard.order[at])
    greatest = np.argsort(-line, kind="stable")[:FEATURES]
    return Anomaly(
        row=row,
        score=score,
        contributions=tuple(
            Contribution(
                column=table.columns[standard.used[column]],
                value=float(table.values[row, standard.used[column]]),
                typical=float(centre[column]),
                contribution=float(line[column]),
            )
            for column in greatest
        ),
        rest=float(line.sum() - line[greatest].sum()),
    )
