"""What a clustering means: how well rows fit, and what tells one cluster from the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

from functions.clustering.algorithms.answers import (
    Cluster,
    CurvePoint,
    DistinguishingFeature,
    Silhouette,
)
from functions.clustering.algorithms.kmeans import fit_library
from functions.clustering.algorithms.matrix import Standardised, Table, stride

SILHOUETTE_ROWS: Final = 1_500
CURVE_ROWS: Final = 1_000
CURVE_STARTS: Final = 3
EXPLAINED: Final = 100
FEATURES: Final = 5
EXAMPLES: Final = 3
_MOST_EFFECT: Final = 99.0

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def curve(rows: Floats, ks: range, seed: int) -> tuple[CurvePoint, ...]:
    """Inertia and silhouette by k, over at most 1,000 rows."""
    sample = rows[stride(len(rows), CURVE_ROWS)]
    distances = _distances(sample)
    points = []
    for k in ks:
        fitted = fit_library(sample, k, seed, CURVE_STARTS)
        points.append(
            CurvePoint(
                k=k,
                inertia=fitted.inertia * len(rows) / len(sample),
                silhouette=_mean_silhouette(distances, fitted.labels),
            )
        )
    return tuple(points)


def silhouettes(rows: Floats, labels: Indices) -> tuple[Silhouette | None, dict[int, float]]:
    """Of all clusters and of each (Rousseeuw 1987), over at most 1,500 rows that are in one."""
    clustered = np.flatnonzero(labels >= 0)
    sample = clustered[stride(len(clustered), SILHOUETTE_ROWS)]
    names, known = np.unique(labels[sample], return_inverse=True)
    if not 2 <= len(names) < len(sample):
        return None, {}
    widths = _widths(_distances(rows[sample]), known)
    whole = Silhouette(
        mean=float(widths.mean()), rows=len(sample), sampled=len(sample) < len(clustered)
    )
    return whole, {int(name): float(widths[known == at].mean()) for at, name in enumerate(names)}


def explain(
    table: Table, standard: Standardised, labels: Indices, widths: dict[int, float]
) -> tuple[Cluster, ...]:
    """The 100 largest clusters.

    Args:
        labels: Of the standardised rows; 0 is the largest cluster.
        widths: Silhouettes by label.
    """
    rows = standard.values
    total = len(rows)
    everything = rows.sum(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64)
    found = []
    for label in range(min(EXPLAINED, int(labels.max()) + 1)):
        members = np.flatnonzero(labels == label)
        sums = np.zeros(rows.shape[1])
        originals = np.zeros(len(table.columns))
        for some in _parts(members):
            sums += rows[some].sum(axis=0, dtype=np.float64)
            originals += table.values[standard.order[some]].sum(axis=0, dtype=np.float64)
        mean = sums / len(members)
        originals /= len(members)
        near = np.concatenate(
            [((rows[some] - mean.astype(np.float32)) ** 2).sum(axis=1) for some in _parts(members)]
        )
        closest = members[np.argsort(near, kind="stable")[:EXAMPLES]]
        spread = _Spread(len(members), mean, everything, squares, total)
        found.append(
            Cluster(
                label=label,
                size=len(members),
                centroid=dict(zip(table.columns, originals.tolist(), strict=True)),
                distinguishing=_features(table, standard, spread),
                examples=tuple(standard.order[closest].tolist()),
                silhouette=widths.get(label),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Sums over a cluster's rows and over all rows, by column; standardised, float64."""

    count: int
    mean: NDArray[np.float64]
    everything: NDArray[np.float64]
    squares: NDArray[np.float64]
    total: int


def _features(
    table: Table, standard: Standardised, spread: _Spread
) -> tuple[DistinguishingFeature, ...]:
    count, mean, total = spread.count, spread.mean, spread.total
    others = total - count
    if not others:
        return ()
    rest = (spread.everything - count * mean) / others
    scatter = spread.squares - count * mean**2 - others * rest**2
    deviation = np.sqrt(np.maximum(scatter, 0) / max(total - 2, 1))
    difference = mean - rest
    floor = np.abs(difference) / _MOST_EFFECT
    safe = np.maximum(np.maximum(deviation, floor), np.finfo(np.float64).tiny)
    effect = difference / safe
    strongest = np.argsort(-np.abs(effect), kind="stable")[:FEATURES]
    return tuple(
        DistinguishingFeature(
            column=table.columns[standard.used[at]],
            mean_inside=float(mean[at] * standard.scale[at] + standard.mean[at]),
            mean_outside=float(rest[at] * standard.scale[at] + standard.mean[at]),
            effect=float(effect[at]),
        )
        for at in strongest
        if effect[at] != 0
    )


def _parts(members: Indices, most: int = 4096) -> list[Indices]:
    return [members[start : start + most] for start in range(0, len(members), most)]


def _distances(rows: Floats) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = pairwise_distances(rows.astype(np.float64))
    return distances


def _widths(distances: NDArray[np.float64], labels: Indices) -> NDArray[np.float64]:
    """Silhouette of each row, by one multiplication: a curve asks for it seven times.

    Args:
        distances: float64, (rows, rows).
        labels: 0, 1, …; each has a row.
    """
    sizes = np.bincount(labels)
    every = np.arange(len(labels))
    totals = distances @ np.eye(len(sizes))[labels]
    own = totals[every, labels] / np.maximum(sizes[labels] - 1, 1)
    means = totals / sizes
    means[every, labels] = np.inf
    other = means.min(axis=1)
    widths = (other - own) / np.maximum(np.maximum(own, other), np.finfo(np.float64).tiny)
    return np.where(sizes[labels] > 1, widths, 0.0)


def _mean_silhouette(distances: NDArray[np.float64], labels: Indices) -> float:
    names, known = np.unique(labels, return_inverse=True)
    if not 2 <= len(names) < len(labels):
        return 0.0  # as by definition for rows that are alone
    return float(_widths(distances, known).mean())
