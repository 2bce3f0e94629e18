"""Unusual rows, and whether what is said of them adds up."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from functions.clustering.algorithms import anomalies, path_length
from functions.clustering.algorithms.anomalies import find_anomalies
from functions.clustering.algorithms.answers import DROPPED
from functions.clustering.algorithms.matrix import Table, standardise
from functions.clustering.algorithms.parameters import AnomalyAlgorithm, AnomalyParameters
from hearth.errors import InvalidInput

Numbers = NDArray[np.float64]
ALGORITHMS = get_args(AnomalyAlgorithm)


def table(values: Any) -> Table:
    array = np.asarray(values, np.float64)
    return Table(array, tuple(f"c{n}" for n in range(array.shape[1])))


def ordinary(rows: int = 200, columns: int = 4) -> Numbers:
    return np.random.default_rng(3).normal(20, 2, (rows, columns))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_row_that_is_far_away_is_found_and_the_column_that_makes_it_so_is_named(
    algorithm: AnomalyAlgorithm,
) -> None:
    values = ordinary()
    values[77, 2] = 90.0
    answer = find_anomalies(table(values), AnomalyParameters(algorithm, contamination=0.02))

    assert answer.labels[77] == -1
    assert answer.n_anomalies == 4
    worst = answer.anomalies[0]
    assert worst.row == 77
    assert worst.score == answer.scores.min() < 0
    first = worst.contributions[0]
    assert (first.column, first.value) == ("c2", 90.0)
    assert first.typical == pytest.approx(np.median(values[:, 2]), rel=1e-3)
    assert first.contribution > 2 * abs(worst.contributions[1].contribution)
    assert ((answer.scores < 0) == (answer.labels == -1)).all()


def test_the_forest_is_scikit_learns() -> None:
    values = ordinary()
    answer = find_anomalies(table(values), AnomalyParameters())
    standard = standardise(table(values), "refuse")
    peer = IsolationForest(n_estimators=100, random_state=42, contamination=0.1).fit(
        standard.values
    )

    assert answer.scores[standard.order] == pytest.approx(
        peer.decision_function(standard.values), abs=1e-6
    )
    assert (answer.labels[standard.order] == peer.predict(standard.values)).all()


def test_the_columns_of_a_path_add_up_to_the_forests_own_score() -> None:
    rows = standardise(table(ordinary()), "refuse").values
    forest = IsolationForest(n_estimators=50, random_state=1).fit(rows)
    found = path_length.contributions(forest, rows)
    depth = path_length.mean_depth(forest, rows)

    assert found.sum(axis=1) == pytest.approx(path_length.root_depth(forest) - depth)
    typical = path_length._unfinished(np.array([forest.max_samples_]))[0]
    assert forest.score_samples(rows) == pytest.approx(-(2 ** (-depth / typical)))


def test_the_squares_of_z_scores_add_up_to_the_score() -> None:
    values = ordinary(60, 7)
    answer = find_anomalies(table(values), AnomalyParameters("robust_zscore", contamination=0.2))
    for anomaly in answer.anomalies:
        total = sum(part.contribution for part in anomaly.contributions) + anomaly.rest
        assert np.sqrt(total) == pytest.approx(-(anomaly.score + answer.model.offset))
    row, column = 5, 3
    middle = np.median(values[:, column])
    deviation = np.median(np.abs(values[:, column] - middle))
    standard = standardise(table(values), "refuse")
    squares = anomalies._squares(standard.values, answer.model.median, answer.model.deviation)
    at = int(np.flatnonzero(standard.order == row)[0])
    assert squares[at, column] == pytest.approx(
        (0.6745 * (values[row, column] - middle) / deviation) ** 2, rel=1e-3
    )


def test_more_rows_than_the_factor_compares_are_compared_with_some_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anomalies, "LOF_ROWS", 50)
    values = ordinary()
    values[10] = 200.0
    answer = find_anomalies(
        table(values), AnomalyParameters("local_outlier_factor", contamination=0.01)
    )
    assert not answer.method.exact
    assert "50 of them" in answer.method.reason
    assert answer.labels[10] == -1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_scores_do_not_depend_on_the_order_of_rows(
    algorithm: AnomalyAlgorithm, data: st.DataObject
) -> None:
    values = data.draw(
        arrays(
            np.float64,
            st.tuples(st.integers(3, 30), st.integers(1, 3)),
            elements=st.sampled_from([0.0, 1.0, 5.0, 1e5]) | st.floats(-9, 9),
        )
    )
    values[0] += 1
    values[1] -= 1
    order = np.array(data.draw(st.permutations(range(len(values)))))
    parameters = AnomalyParameters(algorithm, contamination=0.3)
    first = find_anomalies(table(values), parameters)
    second = find_anomalies(table(values[order]), parameters)
    assert (first.scores[order] == second.scores).all()


@settings(max_examples=25, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.integers(1, 3)),
        elements=st.floats(-1e101, 1e101)
        | st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1e100, np.nan, np.inf]),
    ),
    st.sampled_from(ALGORITHMS),
    st.sampled_from(["refuse", "drop"]),
)
def test_any_numbers_are_scored_or_refused_by_name(
    values: Numbers, algorithm: AnomalyAlgorithm, missing: Any
) -> None:
    named = None
    try:
        answer = find_anomalies(table(values), AnomalyParameters(algorithm, missing=missing))
    except InvalidInput as error:
        named = error.details[0]["field"]
    if named is not None:
        assert named.startswith("data")
        return
    kept = answer.labels != DROPPED
    assert (np.isnan(answer.scores) == ~kept).all()
    assert np.isfinite(answer.scores[kept]).all()
    for anomaly in answer.anomalies:
        assert np.isfinite([part.contribution for part in anomaly.contributions]).all()


@pytest.mark.parametrize("part", [0, 0.5, -0.1, 1, float("nan"), True, "0.1"])
def test_a_contamination_outside_its_limits_is_named(part: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        AnomalyParameters(contamination=part)
    assert caught.value.details[0]["field"] == "contamination"


@pytest.mark.parametrize("values", [[[1.0, 2.0]], [[1.0, 2.0]] * 30])
def test_rows_that_cannot_be_scored_are_refused(values: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        find_anomalies(table(values), AnomalyParameters())
    assert caught.value.details[0]["field"] == "data"
