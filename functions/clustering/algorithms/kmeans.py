"""k-means, three ways: scikit-learn's for small tables, and two whose cost does not grow with it.

Each starts from greedy k-means++ (Arthur and Vassilvitskii 2007; scikit-learn's variant tries
several candidates a step): plain k-means++ or random rows cost 12 to 40 % of inertia on data that
has clusters.

* `fit_library`: scikit-learn's `KMeans`, ten starts.
* `fit_sampled`: some starts on 32 rows a centroid, the best of them on 256 (faiss's default).
* `fit_refined`: the same, then Lloyd's steps over all rows until a step gains less than 1e-4.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning

from functions.clustering.algorithms.distances import means, nearest
from functions.clustering.algorithms.matrix import stride
from functions.clustering.algorithms.threads import one_thread

STARTS: Final = 10
SAMPLE_PER_CENTROID: Final = 256
_FEW_PER_CENTROID: Final = 32
_FEW_AT_LEAST: Final = 2_000
_FEW_CLUSTERS: Final = 32
_FEW_STARTS: Final = 2
"""Of many clusters some land badly in each start, and the starts come out alike."""
_SAMPLE_AT_LEAST: Final = 10_000
_MOST_STEPS: Final = 100
_GAIN: Final = 1e-4

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Centroids:
    """A fitted k-means.

    Attributes:
        points: float32, (clusters, dimensions).
        labels: int64, (rows,): the nearest point of each row.
        inertia: Sum of squared distances to it.
    """

    points: Floats
    labels: NDArray[np.int64]
    inertia: float


def fit_library(rows: Floats, k: int, seed: int, starts: int = STARTS) -> Centroids:
    """scikit-learn's k-means."""
    return _fitted(KMeans(k, n_init=starts, random_state=seed), rows.astype(np.float64))


def fit_minibatch(rows: Floats, k: int, seed: int) -> Centroids:
    """scikit-learn's k-means by mini-batches (Sculley 2010)."""
    return _fitted(MiniBatchKMeans(k, n_init=3, random_state=seed), rows)


def fit_sampled(rows: Floats, k: int, seed: int) -> Centroids:
    """Centroids of a sample, labels of all rows."""
    few = rows[stride(len(rows), max(_FEW_PER_CENTROID * k, _FEW_AT_LEAST))]
    count = STARTS if k <= _FEW_CLUSTERS else _FEW_STARTS
    starts = [_settled(few, _seeds(few, k, seed + number)) for number in range(count)]
    best = min(starts, key=lambda start: start.inertia)
    sample = rows[stride(len(rows), max(SAMPLE_PER_CENTROID * k, _SAMPLE_AT_LEAST))]
    return _of(rows, _settled(sample, best.points).points)


def fit_refined(rows: Floats, k: int, seed: int) -> Centroids:
    """Centroids of a sample, moved over all rows until they rest."""
    return _settled(rows, fit_sampled(rows, k, seed).points)


def _fitted(estimator: KMeans | MiniBatchKMeans, rows: NDArray[Any]) -> Centroids:
    """In one thread, because more add up in the order of their arrival.

    Clusters that stay empty are no news: the caller counts them.
    """
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = estimator.fit(rows)
    return Centroids(
        fitted.cluster_centers_.astype(np.float32),
        fitted.labels_.astype(np.int64),
        float(fitted.inertia_),
    )


def _seeds(rows: Floats, k: int, seed: int) -> Floats:
    """Of float64, because scikit-learn copies what is float32 anew for each centroid."""
    with one_thread():
        points, _ = kmeans_plusplus(rows.astype(np.float64), k, random_state=seed)
    seeds: Floats = points.astype(np.float32)
    return seeds


def _settled(rows: Floats, points: Floats) -> Centroids:
    """Lloyd's steps (1982) until one gains next to nothing."""
    found = _of(rows, points)
    for _ in range(_MOST_STEPS):
        moved = _of(rows, means(rows, found.labels, found.points))
        gain = found.inertia - moved.inertia
        found = moved
        if gain <= _GAIN * found.inertia:
            break
    return found


def _of(rows: Floats, points: Floats) -> Centroids:
    points = np.ascontiguousarray(points, dtype=np.float32)
    labels, squared = nearest(rows, points)
    return Centroids(points, labels, float(squared.sum(dtype=np.float64)))
