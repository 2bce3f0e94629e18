"""Rows in groups: which algorithm runs, and what its answer means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms import density, explanation, hierarchy, kmeans
from functions.clustering.algorithms.answers import (
    DROPPED,
    NOISE,
    ClusterAnswer,
    CurvePoint,
    Default,
    Method,
)
from functions.clustering.algorithms.cells import EXACT_BELOW
from functions.clustering.algorithms.distances import squared_distances, squared_norms
from functions.clustering.algorithms.fitted import ClusterModel
from functions.clustering.algorithms.matrix import Table, standardise, stride
from functions.clustering.algorithms.parameters import SEED, ClusterParameters, field_error

MAX_AUTO_K: Final = 8
EPS_PART: Final = 0.5
EPS_ROWS: Final = 2_000
MIN_SAMPLES: Final = 2
MIN_CLUSTER_SIZE: Final = 5
KEPT_ROWS: Final = 20_000
"""Core rows that a model keeps."""
_LIBRARY_WORK: Final = 100_000_000
"""Rows by columns by clusters, up to which scikit-learn's ten starts take about a second."""
_REFINED_ROWS: Final = 100_000

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(slots=True)
class _Found:
    """What an algorithm leaves to be explained; labels of the standardised rows."""

    labels: Indices
    method: Method
    defaults: list[Default]
    points: Floats
    point_labels: Indices
    radius: NDArray[np.float64]
    curve: tuple[CurvePoint, ...] = ()
    inertia: float | None = None


def cluster(table: Table, parameters: ClusterParameters) -> ClusterAnswer:
    """Group rows.

    Raises:
        InvalidInput: Too few rows, rows that are all alike, more clusters than rows, an empty cell
            or infinity; the field is named.
    """
    standard = standardise(table, parameters.missing)
    match parameters.algorithm:
        case "kmeans" | "minibatch":
            found = _kmeans(standard.values, parameters)
        case "dbscan":
            found = _dbscan(standard.values, parameters)
        case "hdbscan":
            found = _hdbscan(standard.values, parameters)
    if parameters.seed == SEED:
        found.defaults.append(Default("seed", SEED, "the seed of every answer that names none"))
    names = _by_size(found.labels)
    labels = np.where(found.labels >= 0, names[found.labels], NOISE)
    whole, widths = explanation.silhouettes(standard.values, labels)
    every = np.full(len(table.values), DROPPED, np.int64)
    every[standard.order] = labels
    return ClusterAnswer(
        labels=every,
        n_clusters=int(labels.max()) + 1,
        n_noise=int((labels == NOISE).sum()),
        method=found.method,
        defaults=tuple(found.defaults),
        dropped=standard.dropped,
        curve=found.curve,
        silhouette=whole,
        inertia=found.inertia,
        clusters=explanation.explain(table, standard, labels, widths),
        model=ClusterModel(
            columns=table.columns,
            used=standard.used,
            algorithm=parameters.algorithm,
            mean=standard.mean,
            scale=standard.scale,
            points=found.points,
            labels=names[found.point_labels],
            radius=found.radius,
        ),
    )


def _kmeans(rows: Floats, parameters: ClusterParameters) -> _Found:
    total, distinct = len(rows), int(_twins(rows)[-1]) + 1
    defaults: list[Default] = []
    curve: tuple[CurvePoint, ...] = ()
    k = parameters.n_clusters
    if k is None:
        most = min(MAX_AUTO_K, max(2, total // 10), distinct)
        curve = explanation.curve(rows, range(2, most + 1), parameters.seed)
        k = max(curve, key=lambda point: (point.silhouette, -point.k)).k
        sampled = min(total, explanation.CURVE_ROWS)
        defaults.append(
            Default(
                "n_clusters",
                k,
                f"the greatest silhouette of k = 2 to {most} over {sampled} rows;"
                f" {most} is min({MAX_AUTO_K}, max(2, rows // 10))"
                + (f", and no more than the {distinct} different rows" if most == distinct else ""),
            )
        )
    elif k > distinct:
        only = f"{total} rows" if distinct == total else f"{distinct} different rows"
        raise field_error("n_clusters", f"n_clusters is {k}, and there are only {only}")
    work = total * rows.shape[1] * k
    size = f"{total} rows by {rows.shape[1]} columns by {k} clusters"
    if parameters.algorithm == "minibatch":
        fitted = kmeans.fit_minibatch(rows, k, parameters.seed)
        made = Method("minibatch", "scikit-learn MiniBatchKMeans", False, "it was asked for")
    elif work <= _LIBRARY_WORK:
        fitted = kmeans.fit_library(rows, k, parameters.seed)
        made = Method("kmeans", f"scikit-learn KMeans, {kmeans.STARTS} starts", True,
                      f"{size} take it about a second at most")  # fmt: skip
    elif total <= _REFINED_ROWS:
        fitted = kmeans.fit_refined(rows, k, parameters.seed)
        made = Method("kmeans", "centroids of a sample, then Lloyd's steps over all rows", True,
                      f"{size} are too many for ten starts over all rows")  # fmt: skip
    else:
        fitted = kmeans.fit_sampled(rows, k, parameters.seed)
        made = Method("kmeans", f"centroids of {kmeans.SAMPLE_PER_CENTROID} rows a cluster", False,
                      f"{size}: all rows would move the centroids little")  # fmt: skip
    used = np.unique(fitted.labels)
    if len(used) < k:
        notes = (f"Of {k} clusters {k - len(used)} stayed empty and are left out",)
        made = Method(made.algorithm, made.implementation, made.exact, made.reason, notes)
    labels = np.searchsorted(used, fitted.labels)
    return _Found(
        labels=labels,
        method=made,
        defaults=defaults,
        points=fitted.points[used],
        point_labels=np.arange(len(used)),
        radius=np.full(len(used), np.inf),
        curve=curve,
        inertia=fitted.inertia,
    )


def _dbscan(rows: Floats, parameters: ClusterParameters) -> _Found:
    defaults: list[Default] = []
    eps, min_samples = parameters.eps, parameters.min_samples
    if eps is None:
        eps, reason = _auto_eps(rows)
        defaults.append(Default("eps", eps, reason))
    if min_samples is None:
        min_samples = MIN_SAMPLES
        defaults.append(Default("min_samples", min_samples, "a row and one neighbour make a core"))
    found = density.dbscan(rows, eps, min_samples)
    core = np.flatnonzero(found.core)
    kept = core[stride(len(core), KEPT_ROWS)]
    notes = (*_left_out(found.exact, found.probes, found.cells), *_kept(len(core)))
    if found.cells == 1:
        made = Method("dbscan", "all pairs in blocks + union-find", True,
                      f"{len(rows)} rows are few", notes)  # fmt: skip
    else:
        made = Method("dbscan", "inverted file (IVF) + union-find", found.exact,
                      f"{len(rows)} rows: cells that cannot hold neighbours are not compared",
                      notes)  # fmt: skip
    return _Found(
        labels=found.labels,
        method=made,
        defaults=defaults,
        points=rows[kept],
        point_labels=found.labels[kept],
        radius=np.full(len(kept), eps),
    )


def _hdbscan(rows: Floats, parameters: ClusterParameters) -> _Found:
    defaults: list[Default] = []
    size, min_samples = parameters.min_cluster_size, parameters.min_samples
    if size is None:
        size = min(MIN_CLUSTER_SIZE, len(rows))
        defaults.append(Default("min_cluster_size", size, "as scikit-learn's"))
    if min_samples is None:
        min_samples = min(size, len(rows))
        defaults.append(Default("min_samples", min_samples, "as min_cluster_size"))
    for field, value in (("min_cluster_size", size), ("min_samples", min_samples)):
        if value > len(rows):
            raise field_error(field, f"{field} is {value}, and there are only {len(rows)} rows")
    if len(rows) <= EXACT_BELOW:
        found = hierarchy.hdbscan_of_few(rows, size, min_samples)
        made = Method("hdbscan", "scikit-learn HDBSCAN", True, f"{len(rows)} rows are few")
    else:
        found = hierarchy.hdbscan(rows, size, min_samples)
        made = Method(
            "hdbscan",
            "inverted file (IVF), neighbours + Borůvka's joins, scikit-learn HDBSCAN on that graph",
            False,
            f"{len(rows)} rows: all pairs would be {len(rows) ** 2:.1e}",
            (
                f"Neighbours come from at most {found.probes} of {found.cells} cells around each;"
                f" {found.joins} joins were added",
            ),
        )
    labels = _alike(rows, found.labels)
    clustered = np.flatnonzero(labels >= 0)
    made = Method(made.algorithm, made.implementation, made.exact, made.reason,
                  (*made.notes, *_kept(len(clustered))))  # fmt: skip
    kept = clustered[stride(len(clustered), KEPT_ROWS)]
    farthest = np.zeros(max(1, int(labels.max()) + 1))
    np.maximum.at(farthest, labels[clustered], found.reach[clustered])
    return _Found(
        labels=labels,
        method=made,
        defaults=defaults,
        points=rows[kept],
        point_labels=labels[kept],
        radius=farthest[labels[kept]],
    )


def _auto_eps(rows: Floats) -> tuple[float, str]:
    """Half of the mean distance to the nearest neighbour."""
    sample = stride(len(rows), EPS_ROWS)
    norms = squared_norms(rows)
    closest = np.empty(len(sample))
    for start in range(0, len(sample), 16):
        some = sample[start : start + 16]
        squared = squared_distances(rows[some], rows, norms[some], norms)
        squared[np.arange(len(some)), some] = np.inf
        closest[start : start + 16] = _apart(rows, some, squared.argmin(axis=1))
    over = f"over {len(sample)} of {len(rows)} rows"
    if closest.any():
        eps = EPS_PART * float(closest.mean())
        return eps, f"{EPS_PART} times the mean distance to the nearest neighbour, {over}"
    different = np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1))
    eps = EPS_PART * float(_apart(rows, different, different + 1).min())
    return eps, f"every row has a twin, so {EPS_PART} times the least distance of rows that differ"


def _apart(rows: Floats, some: Indices, others: Indices) -> NDArray[np.float64]:
    difference = rows[some].astype(np.float64) - rows[others]
    squared: NDArray[np.float64] = np.einsum("ij,ij->i", difference, difference)
    return np.sqrt(squared)


def _twins(rows: Floats) -> Indices:
    """A number for each different row; equal ones stand together in canonical order."""
    changes = np.zeros(len(rows), np.int64)
    for start in range(0, len(rows) - 1, 2048):
        block = rows[start : start + 2049]
        changes[start + 1 : start + len(block)] = (block[1:] != block[:-1]).any(axis=1)
    return np.cumsum(changes)


def _alike(rows: Floats, labels: Indices) -> Indices:
    """Each row with the label that most of its copies have.

    HDBSCAN cuts distances of 0 as any others that tie, in the order of the rows.
    """
    twins = _twins(rows)
    if twins[-1] == len(rows) - 1:
        return labels
    votes, counts = np.unique(np.column_stack([twins, labels]), axis=0, return_counts=True)
    order = np.lexsort((-votes[:, 1], -counts, votes[:, 0]))
    first = order[np.flatnonzero(np.diff(votes[order, 0], prepend=-1))]
    names: Indices = votes[first, 1]
    alike = names[twins]
    kept, renamed = np.unique(alike[alike >= 0], return_inverse=True)
    if len(kept):
        alike[alike >= 0] = renamed
    return alike


def _by_size(labels: Indices) -> Indices:
    """The new name of each label: 0 for the largest cluster."""
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    names = np.empty(len(sizes), np.int64)
    names[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return names


def _left_out(exact: bool, probes: int, cells: int) -> tuple[str, ...]:
    if exact:
        return ()
    return (
        f"Rows were compared with those of {probes} of {cells} cells around each; some that"
        " were not compared may lie within eps",
    )


def _kept(points: int) -> tuple[str, ...]:
    if points <= KEPT_ROWS:
        return ()
    return (f"The model keeps {KEPT_ROWS} of {points} rows to label new ones by",)
