"""Fitted models: plain arrays, numbers, words and scikit-learn's own estimators.

Nothing here needs more than what skops trusts by itself, so a model file can be checked before it
is loaded. `to_state` is what is written, `from_state` reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms.parameters import AnomalyAlgorithm, ClusterAlgorithm
from hearth.errors import ModelFailed

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
    from sklearn.neighbors import LocalOutlierFactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What every model knows of the table that it was fitted to.

    Attributes:
        columns: Names of all columns of the table, in order.
        used: Indices of the columns that were used (those that are not constant), int64.
    """

    columns: tuple[str, ...]
    used: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterModel(Fitted):
    """Labels new rows by the nearest of `points`.

    Attributes:
        algorithm: `kmeans`, `minibatch`, `dbscan` or `hdbscan`.
        mean, scale: Of each used column, float64.
        points: Standardised centroids of k-means, or core rows; float32, (points, used).
        labels: Of each point, int64.
        radius: How far from a point a row still belongs to it, in standardised units, float64;
            infinity for centroids.
    """

    algorithm: ClusterAlgorithm
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    points: NDArray[np.float32]
    labels: NDArray[np.int64]
    radius: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyModel(Fitted):
    """Judges new rows.

    Attributes:
        algorithm: `isolation_forest`, `robust_zscore` or `local_outlier_factor`.
        median, scale: Of each used column, float64. The z-score is (x - median) / scale; the
            factor's distances are measured in these units; the forest does not need them.
        offset: Subtracted from the raw score to give the decision function.
        estimator: Of scikit-learn; None for the z-score.
    """

    algorithm: AnomalyAlgorithm
    median: NDArray[np.float64]
    scale: NDArray[np.float64]
    offset: float
    estimator: IsolationForest | LocalOutlierFactor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceModel(Fitted):
    """Predicts the target of new rows.

    Attributes:
        task: `regression` or `classification`.
        estimator: Of scikit-learn. A classifier predicts indices into `classes`.
        classes: The target's values in order, float64 or str; empty for a regression.
    """

    task: Literal["regression", "classification"]
    estimator: RandomForestClassifier | RandomForestRegressor
    classes: NDArray[np.float64] | NDArray[np.str_]


Model = ClusterModel | AnomalyModel | ImportanceModel
_KINDS: dict[str, type[ClusterModel] | type[AnomalyModel] | type[ImportanceModel]] = {
    "cluster": ClusterModel,
    "anomaly": AnomalyModel,
    "importance": ImportanceModel,
}


def to_state(model: Model) -> dict[str, Any]:
    """What is written: a dictionary of str, int, float, list, arrays and estimators."""
    kind = next(name for name, known in _KINDS.items() if isinstance(model, known))
    state = {field.name: getattr(model, field.name) for field in fields(model)}
    return {**state, "columns": list(model.columns), "kind": kind}


def from_state(state: dict[str, Any]) -> Model:
    """The model that was written.

    Raises:
        ModelFailed: It is none, or of another version.
    """
    kind = _KINDS.get(str(state.get("kind")))
    if kind is None or {field.name for field in fields(kind)} != state.keys() - {"kind"}:
        raise ModelFailed("The file holds no model of this version; fit it again")
    given = {name: value for name, value in state.items() if name != "kind"}
    return kind(**{**given, "columns": tuple(state["columns"])})
