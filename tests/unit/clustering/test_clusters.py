"""Clusters, against scikit-learn's and against what was put into the data."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from functions.clustering.algorithms import cells, clusters, density, hierarchy, kmeans
from functions.clustering.algorithms.answers import DROPPED, NOISE, ClusterAnswer
from functions.clustering.algorithms.clusters import cluster
from functions.clustering.algorithms.matrix import Table, standardise
from functions.clustering.algorithms.parameters import ClusterAlgorithm, ClusterParameters
from hearth.errors import InvalidInput

Numbers = NDArray[np.float64]
ALGORITHMS = get_args(ClusterAlgorithm)


def table(values: Any) -> Table:
    array = np.asarray(values)
    return Table(array, tuple(f"c{n}" for n in range(array.shape[1])))


def blobs(rows: int, columns: int, groups: int, seed: int = 0, noise: float = 0.0) -> Numbers:
    """Gaussian clusters of falling size, and rows that belong to none."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(0, 6, (groups, columns))
    weights = 1 / np.arange(1, groups + 1)
    group = chance.choice(groups, rows, p=weights / weights.sum())
    values = centres[group] + chance.normal(0, 1, (rows, columns))
    stray = chance.random(rows) < noise
    values[stray] = chance.normal(0, 6, (int(stray.sum()), columns))
    return values


def same_groups(one: Any, other: Any) -> bool:
    """Whether two labellings differ in the names of the labels only; noise is no cluster."""
    one, other = np.asarray(one), np.asarray(other)
    if ((one < 0) != (other < 0)).any():
        return False
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_kmeans_finds_the_clusters_that_were_put_in_and_chooses_their_number() -> None:
    values = blobs(600, 4, 5)
    answer = cluster(table(values), ClusterParameters())

    assert answer.n_clusters == 5
    assert answer.method.implementation.startswith("scikit-learn KMeans")
    assert [point.k for point in answer.curve] == list(range(2, 9))
    assert max(answer.curve, key=lambda point: point.silhouette).k == 5
    assert [point.inertia for point in answer.curve] == sorted(
        (point.inertia for point in answer.curve), reverse=True
    )
    assert {default.field for default in answer.defaults} == {"n_clusters", "seed"}
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    peer = KMeans(5, n_init=10, random_state=42).fit(standard)
    assert same_groups(answer.labels, peer.labels_)
    assert answer.inertia == pytest.approx(peer.inertia_, rel=1e-4)
    assert answer.silhouette is not None
    assert answer.silhouette.mean == pytest.approx(
        silhouette_score(standard, peer.labels_), abs=1e-4
    )
    assert not answer.silhouette.sampled


def test_clusters_are_numbered_by_size_and_explained_in_the_columns_own_units() -> None:
    chance = np.random.default_rng(1)
    warm = np.column_stack([chance.normal(21, 0.5, 60), chance.normal(40, 8, 60)])
    cold = np.column_stack([chance.normal(4, 0.5, 30), chance.normal(40, 8, 30)])
    values = np.column_stack([np.vstack([cold, warm]), np.full(90, 7.0)])
    answer = cluster(
        Table(values, ("celsius", "humidity", "site")), ClusterParameters(n_clusters=2)
    )

    first, second = answer.clusters
    assert (first.label, first.size, second.size) == (0, 60, 30)
    assert first.centroid["celsius"] == pytest.approx(warm[:, 0].mean())
    assert first.centroid["site"] == 7.0
    feature = second.distinguishing[0]
    assert feature.column == "celsius"
    assert feature.mean_inside == pytest.approx(cold[:, 0].mean(), rel=1e-4)
    assert feature.mean_outside == pytest.approx(warm[:, 0].mean(), rel=1e-4)
    pooled = np.sqrt((29 * cold[:, 0].var(ddof=1) + 59 * warm[:, 0].var(ddof=1)) / 88)
    assert feature.effect == pytest.approx((cold[:, 0].mean() - warm[:, 0].mean()) / pooled, 1e-3)
    assert set(second.examples) <= set(range(30))
    assert answer.dropped.columns == ("site",)


@pytest.mark.parametrize("fit", [kmeans.fit_refined, kmeans.fit_sampled])
def test_k_means_of_a_sample_is_as_good_as_that_of_all_rows(fit: Any) -> None:
    values = standardise(table(blobs(12_000, 16, 12, noise=0.1)), "refuse").values
    peer = min(KMeans(12, n_init=10, random_state=seed).fit(values).inertia_ for seed in (0, 1))
    assert fit(values, 12, 42).inertia <= 1.015 * peer


@pytest.mark.parametrize(
    ("rows", "columns", "scale"), [(300, 2, 1.0), (1500, 8, 1.5), (5000, 6, 0.8), (6000, 40, 1.1)]
)
def test_dbscan_is_scikit_learns(rows: int, columns: int, scale: float) -> None:
    values = standardise(table(blobs(rows, columns, 7, noise=0.2)), "refuse").values
    eps = 2 * scale * clusters._auto_eps(values)[0]
    found = density.dbscan(values, eps, 2, probes=10_000)
    peer = DBSCAN(eps=eps, min_samples=2).fit(values)

    assert found.exact
    assert same_groups(found.labels, peer.labels_)
    assert set(np.flatnonzero(found.core)) == set(peer.core_sample_indices_)
    assert found.labels.max() > 1


def test_dbscan_with_more_neighbours_has_scikit_learns_cores_and_gives_borders_to_the_nearest() -> (
    None
):
    values = standardise(table(blobs(4000, 5, 6, noise=0.3)), "refuse").values
    found = density.dbscan(values, 0.35, 6, probes=10_000)
    peer = DBSCAN(eps=0.35, min_samples=6).fit(values)

    assert set(np.flatnonzero(found.core)) == set(peer.core_sample_indices_)
    core = peer.core_sample_indices_
    assert same_groups(found.labels[core], peer.labels_[core])
    assert ((found.labels < 0) == (peer.labels_ < 0)).all()
    assert (~found.core & (found.labels >= 0)).sum() > 10


def test_dbscan_that_leaves_cells_out_says_so() -> None:
    values = standardise(table(blobs(5000, 8, 7, noise=0.2)), "refuse").values
    assert not density.dbscan(values, 2.0, 2, probes=2).exact


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 3))
def test_no_pair_of_rows_is_nearer_than_the_gap_between_their_cells(
    seed: int, spread: float
) -> None:
    chance = np.random.default_rng(seed)
    few = cells.EXACT_BELOW + 1
    values = chance.normal(0, 1, (few, 3)).astype(np.float32)
    values[: few // 2] = values[: few // 2] * np.float32(spread) + 2
    found = cells.build(values)
    assert sorted(np.concatenate(found.members).tolist()) == list(range(few))
    for one in range(0, len(found.members), 7):
        for other in range(len(found.members)):
            left, right = values[found.members[one]], values[found.members[other]]
            least = np.sqrt(((left[:, None] - right) ** 2).sum(axis=2)).min()
            assert least >= found.gaps[one, other] - 1e-4


def test_hdbscan_of_few_rows_is_scikit_learns() -> None:
    values = blobs(900, 4, 6, noise=0.1)
    answer = cluster(table(values), ClusterParameters(algorithm="hdbscan"))
    standard = standardise(table(values), "refuse")
    peer = HDBSCAN(copy=False, algorithm="brute").fit(standard.values.astype(np.float64))

    assert same_groups(answer.labels[standard.order], peer.labels_)
    assert answer.method.exact


def test_hdbscan_on_a_graph_agrees_with_all_pairs_as_well_as_these_with_themselves() -> None:
    """Distances that tie are cut in the order of the rows: reversed, 0.99 of the pairs agree."""
    values = standardise(table(blobs(2500, 12, 9, noise=0.1)), "refuse").values
    found = hierarchy.hdbscan(values, 5, 5)
    peer = HDBSCAN(copy=False, algorithm="brute").fit(values.astype(np.float64))
    assert adjusted_rand_score(peer.labels_, found.labels) >= 0.985


def test_hdbscan_joins_parts_that_are_far_apart() -> None:
    chance = np.random.default_rng(0)
    places = [0, 100, 10_000, 1_000_000]
    values = np.vstack([chance.normal(place, 1, (700, 3)) for place in places])
    found = hierarchy.hdbscan(standardise(table(values), "refuse").values, 50, 5, probes=1)
    assert found.joins >= 1
    assert found.labels.max() >= 0


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_labels_do_not_depend_on_the_order_of_rows(
    algorithm: ClusterAlgorithm, data: st.DataObject
) -> None:
    values = data.draw(
        arrays(
            np.float64,
            st.tuples(st.integers(5, 40), st.integers(1, 4)),
            elements=st.sampled_from([0.0, 1.0, -1.0, 2.5, 3.0, 10.0, 1e6]) | st.floats(-9, 9),
        )
    )
    values[0] += 1
    values[1] -= 1
    order = np.array(data.draw(st.permutations(range(len(values)))))
    parameters = ClusterParameters(algorithm=algorithm)
    first, second = cluster(table(values), parameters), cluster(table(values[order]), parameters)

    assert same_groups(first.labels[order], second.labels)
    assert first.inertia == second.inertia
    assert first.silhouette == second.silhouette
    assert first.defaults == second.defaults
    again = cluster(table(values), parameters)
    assert (again.labels == first.labels).all()


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 24), st.integers(1, 4)),
        elements=st.floats(-1e101, 1e101, allow_subnormal=True)
        | st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1e-200, 1e100, np.nan, np.inf]),
    ),
    st.sampled_from(ALGORITHMS),
    st.sampled_from(["refuse", "drop"]),
)
def test_any_numbers_are_clustered_or_refused_by_name(
    values: Numbers, algorithm: ClusterAlgorithm, missing: Any
) -> None:
    try:
        answer = cluster(table(values), ClusterParameters(algorithm=algorithm, missing=missing))
    except InvalidInput as error:
        named = error.details[0]["field"]
    else:
        named = None
    if named is not None:
        assert named.startswith("data")
        return
    kept = answer.labels != DROPPED
    assert (np.isnan(values).any(axis=1) == ~kept).all()
    assert set(answer.labels[kept]) <= {NOISE, *range(answer.n_clusters)}
    assert sum(some.size for some in answer.clusters) + answer.n_noise == kept.sum()
    assert np.isfinite([default.value for default in answer.defaults]).all()
    _all_finite(answer)


def _all_finite(answer: ClusterAnswer) -> None:
    for some in answer.clusters:
        assert np.isfinite(list(some.centroid.values())).all()
        for feature in some.distinguishing:
            assert np.isfinite([feature.effect, feature.mean_inside, feature.mean_outside]).all()
            assert abs(feature.effect) <= 99.001


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("copies", [2, 30, 900])
def test_rows_that_come_in_copies_stay_together(algorithm: ClusterAlgorithm, copies: int) -> None:
    values = np.repeat([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]], copies, axis=0)
    answer = cluster(table(values), ClusterParameters(algorithm=algorithm))
    groups = answer.labels.reshape(3, copies)
    assert (groups == groups[:, :1]).all()


def test_copies_share_a_label_where_scikit_learn_parts_them() -> None:
    values = np.array([[0.0]] * 3 + [[1.0]] * 24)
    labels = cluster(table(values), ClusterParameters(algorithm="hdbscan")).labels
    assert len(set(labels[:3].tolist())) == len(set(labels[3:].tolist())) == 1


@pytest.mark.parametrize(
    ("values", "parameters", "field"),
    [
        ([[1.0, 2.0]], {}, "data"),
        ([[1.0, 2.0]] * 9, {}, "data"),
        ([[1.0], [2.0], [3.0]], {"n_clusters": 4}, "n_clusters"),
        ([[1.0], [1.0], [3.0]], {"n_clusters": 3}, "n_clusters"),
        ([[1.0], [np.nan], [3.0]], {}, "data[1][0]"),
        ([[1.0], [2.0], [-np.inf]], {"missing": "drop"}, "data[2][0]"),
        ([[1.0], [np.nan], [np.nan]], {"missing": "drop"}, "data"),
        ([[1.0], [2.0]], {"algorithm": "hdbscan", "min_cluster_size": 3}, "min_cluster_size"),
        ([[1.0], [2.0]], {"algorithm": "hdbscan", "min_samples": 3}, "min_samples"),
    ],
)
def test_rows_that_cannot_be_clustered_are_named(
    values: Any, parameters: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        cluster(table(values), ClusterParameters(**parameters))
    assert caught.value.details[0]["field"] == field


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ("eps", {"algorithm": "dbscan", "eps": 0}),
        ("eps", {"algorithm": "dbscan", "eps": -1.0}),
        ("eps", {"algorithm": "dbscan", "eps": float("nan")}),
        ("eps", {"algorithm": "dbscan", "eps": float("inf")}),
        ("eps", {"algorithm": "kmeans", "eps": 1.0}),
        ("n_clusters", {"n_clusters": 1}),
        ("n_clusters", {"n_clusters": 101}),
        ("n_clusters", {"algorithm": "dbscan", "n_clusters": 2}),
        ("min_samples", {"algorithm": "dbscan", "min_samples": 1}),
        ("seed", {"seed": -1}),
        ("algorithm", {"algorithm": "spectral"}),
        ("missing", {"missing": "impute"}),
    ],
)
def test_a_parameter_outside_its_limits_is_named(field: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        ClusterParameters(**parameters)
    assert caught.value.details[0]["field"] == field


def test_rows_with_an_empty_cell_are_dropped_where_it_is_asked_for_and_named() -> None:
    values = blobs(50, 3, 2)
    values[[4, 17], [0, 2]] = np.nan
    answer = cluster(table(values), ClusterParameters(missing="drop"))
    assert answer.dropped.rows == (4, 17)
    assert (np.flatnonzero(answer.labels == DROPPED) == [4, 17]).all()


def test_a_table_of_float32_is_as_good_as_one_of_float64() -> None:
    values = blobs(400, 3, 4)
    one, other = (
        cluster(table(values.astype(kind)), ClusterParameters()) for kind in (np.float32, float)
    )
    assert same_groups(one.labels, other.labels)


def test_half_of_the_mean_distance_to_the_nearest_neighbour_is_the_radius() -> None:
    values = np.array([[0.0], [1.0], [3.0], [10.0]])
    answer = cluster(table(values), ClusterParameters(algorithm="dbscan"))
    (eps,) = [default.value for default in answer.defaults if default.field == "eps"]
    assert eps == pytest.approx(0.5 * (1 + 1 + 2 + 7) / 4 / values.std(), rel=1e-6)


def test_the_implementation_is_chosen_by_size_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    values = table(blobs(3000, 4, 3))
    said = {cluster(values, ClusterParameters(n_clusters=3)).method.implementation}
    monkeypatch.setattr(clusters, "_LIBRARY_WORK", 0)
    said.add(cluster(values, ClusterParameters(n_clusters=3)).method.implementation)
    monkeypatch.setattr(clusters, "_REFINED_ROWS", 0)
    sampled = cluster(values, ClusterParameters(n_clusters=3)).method
    said.add(sampled.implementation)
    assert len(said) == 3
    assert not sampled.exact
    assert "3000 rows" in sampled.reason
