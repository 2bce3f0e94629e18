"""What a fitted model says of new rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms.answers import NOISE, Scores
from functions.clustering.algorithms.distances import nearest
from functions.clustering.algorithms.fitted import (
    AnomalyModel,
    ClusterModel,
    ImportanceModel,
    Model,
)
from functions.clustering.algorithms.matrix import Table, checked_rows, scaled
from functions.clustering.algorithms.parameters import field_error


def score(model: Model, table: Table) -> Scores:
    """Label new rows.

    Raises:
        InvalidInput: Other columns than the model's, an empty cell or infinity.
    """
    if table.columns != model.columns:
        raise field_error(
            "columns",
            f"the model knows {len(model.columns)} columns ({_some(model.columns)});"
            f" these are {len(table.columns)} ({_some(table.columns)})",
        )
    checked_rows(table, "refuse")
    rows = scaled(table, model.used, model.mean, model.scale)
    match model:
        case ClusterModel():
            return _clusters(model, rows)
        case AnomalyModel():
            from functions.clustering.algorithms.anomalies import raw_scores

            decision = raw_scores(model, rows) - model.offset
            return Scores(
                labels=np.where(decision < 0, -1, 1),
                scores=decision,
                rule="-1 where the decision function of the fitted rows is below 0",
            )
        case ImportanceModel():
            predicted = model.estimator.predict(rows)
            if model.task == "regression":
                return Scores(labels=predicted, scores=None, rule="the mean of the trees")
            return Scores(
                labels=model.classes[predicted.astype(np.int64)],
                scores=model.estimator.predict_proba(rows).max(axis=1),
                rule="the most probable class, and its probability",
            )


def _clusters(model: ClusterModel, rows: NDArray[np.float32]) -> Scores:
    if not len(model.points):
        return Scores(
            labels=np.full(len(rows), NOISE),
            scores=None,
            rule="the model has no cluster, so every row is noise",
        )
    at, _ = nearest(rows, model.points)
    # From the difference itself: by multiplication, a float32 distance is off where it is small.
    apart = np.linalg.norm(rows.astype(np.float64) - model.points[at], axis=1)
    inside = apart <= model.radius[at] * (1 + 1e-6)
    centroids = model.algorithm in ("kmeans", "minibatch")
    return Scores(
        labels=np.where(inside, model.labels[at], NOISE),
        scores=apart,
        rule="the nearest centroid"
        if centroids
        else "the nearest core row, if it is within eps"
        if model.algorithm == "dbscan"
        else "the nearest clustered row, if it is within its cluster's greatest core distance",
    )


def _some(columns: tuple[str, ...]) -> str:
    return ", ".join(columns[:5]) + (", …" if len(columns) > 5 else "")
