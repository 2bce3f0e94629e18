"""Models that were fitted, written and read again say of the same rows what was said at first."""

from __future__ import annotations

import warnings
from typing import Any, get_args

import numpy as np
import pytest

from functions.clustering.algorithms import fitted
from functions.clustering.algorithms.anomalies import find_anomalies
from functions.clustering.algorithms.clusters import cluster
from functions.clustering.algorithms.importance import importance
from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import (
    AnomalyAlgorithm,
    AnomalyParameters,
    ClusterAlgorithm,
    ClusterParameters,
    ImportanceParameters,
)
from functions.clustering.algorithms.scoring import score
from hearth.errors import InvalidInput, ModelFailed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import skops.io

NAMES = ("a", "b", "c")
TREE = "sklearn.tree._tree.Tree"


def rows() -> Table:
    chance = np.random.default_rng(0)
    groups = [chance.normal(place, 0.3, (60, 3)) for place in (0, 4, 9)]
    return Table(np.vstack([*groups, chance.uniform(-20, 30, (12, 3))]), NAMES)


def again(model: fitted.Model) -> fitted.Model:
    """Through skops, trusting nothing beyond its own list but the trees of forests."""
    written = skops.io.dumps(fitted.to_state(model))
    assert set(skops.io.get_untrusted_types(data=written)) <= {TREE}
    return fitted.from_state(skops.io.loads(written, trusted=[TREE]))


@pytest.mark.parametrize("algorithm", get_args(ClusterAlgorithm))
def test_rows_that_were_clustered_get_the_label_they_had(algorithm: ClusterAlgorithm) -> None:
    answer = cluster(rows(), ClusterParameters(algorithm=algorithm))
    found = score(again(answer.model), rows())
    in_cluster = answer.labels >= 0
    assert (found.labels[in_cluster] == answer.labels[in_cluster]).all()
    if algorithm == "dbscan":
        assert (found.labels == answer.labels).all()


@pytest.mark.parametrize("algorithm", ["dbscan", "hdbscan"])
def test_a_new_row_far_from_every_cluster_is_noise(algorithm: Any) -> None:
    answer = cluster(rows(), ClusterParameters(algorithm=algorithm))
    far = Table(np.array([[1e6, -1e6, 1e99], [0.01, 0.02, 0.01]]), NAMES)
    found = score(answer.model, far)
    assert found.labels[0] == -1
    assert found.labels[1] >= 0


@pytest.mark.parametrize("algorithm", get_args(AnomalyAlgorithm))
def test_anomalies_are_scored_alike_again(algorithm: AnomalyAlgorithm) -> None:
    answer = find_anomalies(rows(), AnomalyParameters(algorithm))
    found = score(again(answer.model), rows())
    if algorithm == "local_outlier_factor":  # a row of the fit now has itself as a neighbour
        far = score(answer.model, Table(np.array([[99.0, -99.0, 99.0]]), NAMES))
        assert far.labels.tolist() == [-1]
        return
    assert found.scores == pytest.approx(answer.scores)
    assert (found.labels == answer.labels).all()


@pytest.mark.parametrize("words", [True, False])
def test_a_target_is_predicted(words: bool) -> None:
    table = rows()
    target: Any = table.values[:, 0] + table.values[:, 1]
    if words:
        target = np.where(target > 10, "high", "low")
    answer = importance(table, target.tolist(), ImportanceParameters())
    found = score(again(answer.model), table)
    if words:
        assert (found.labels == target).mean() > 0.95
        assert found.scores is not None
        assert ((found.scores >= 0.5) & (found.scores <= 1)).all()
    else:
        assert np.corrcoef(found.labels, target)[0, 1] > 0.95  # type: ignore[arg-type]


def test_a_model_refuses_other_columns_and_empty_cells() -> None:
    model = cluster(rows(), ClusterParameters()).model
    with pytest.raises(InvalidInput) as caught:
        score(model, Table(np.zeros((1, 2)), ("a", "b")))
    assert caught.value.details[0]["field"] == "columns"
    with pytest.raises(InvalidInput) as caught:
        score(model, Table(np.array([[0.0, np.nan, 0.0]]), NAMES))
    assert caught.value.details[0]["field"] == "data[0][1]"


@pytest.mark.parametrize("state", [{}, {"kind": "cluster"}, {"kind": "other", "columns": []}])
def test_a_file_without_a_model_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ModelFailed):
        fitted.from_state(state)
