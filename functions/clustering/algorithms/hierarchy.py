"""HDBSCAN (Campello et al. 2013) on a sparse graph instead of all pairs.

The graph holds each row's nearest neighbours, and the edges that join what they leave apart: found
as Borůvka (1926) does, the shortest edge out of each part, round by round. scikit-learn's HDBSCAN
then draws the spanning tree and cuts it, as it does for any matrix of distances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.cluster import HDBSCAN

from functions.clustering.algorithms import cells as inverted_file
from functions.clustering.algorithms.cells import Cells
from functions.clustering.algorithms.forest import Forest
from functions.clustering.algorithms.neighbours import nearest_neighbours

PROBES: Final = 64
NEIGHBOURS: Final = 32
_NEIGHBOURS_OF_MANY: Final = 16
_MANY: Final = 50_000
_LEAST: Final = 1e-12
"""A distance of 0 would be no edge of a sparse graph."""

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What HDBSCAN found.

    Attributes:
        labels: int64, (rows,); -1 is noise.
        reach: float64, (rows,): distance to the `min_samples`-th neighbour, the core distance.
        cells, probes: How many cells there are, and how many each was compared with.
        joins: Edges that the neighbours lacked.
    """

    labels: Indices
    reach: NDArray[np.float64]
    cells: int
    probes: int
    joins: int


def hdbscan(
    rows: Floats, min_cluster_size: int, min_samples: int, probes: int = PROBES
) -> Hierarchy:
    """Clusters of varying density.

    Args:
        rows: float32, (rows, dimensions), in canonical order; more of them than `min_samples`.
    """
    cells = inverted_file.build(rows)
    total = len(rows)
    wanted = NEIGHBOURS if total <= _MANY else _NEIGHBOURS_OF_MANY
    count = min(total - 1, max(wanted, min_samples))
    found, squared = nearest_neighbours(cells, count, probes)
    reach = np.sqrt(squared[:, min(min_samples - 1, count) - 1]).astype(np.float64)
    left = np.repeat(np.arange(total), count)
    right = found.ravel()
    length = np.sqrt(squared.ravel())
    del squared, found
    forest = Forest(total)
    forest.join(left, right)
    ours, theirs, apart = _bridges(cells, forest, reach.astype(np.float32), probes)
    graph = _graph(
        total,
        np.concatenate([left, ours]),
        np.concatenate([right, theirs]),
        np.concatenate([length, apart]),
    )
    fitted = HDBSCAN(
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        metric="precomputed",
        algorithm="brute",
        copy=False,
    ).fit(graph)
    return Hierarchy(
        labels=fitted.labels_.astype(np.int64),
        reach=reach,
        cells=len(cells.members),
        probes=probes,
        joins=len(ours),
    )


def hdbscan_of_few(rows: Floats, min_cluster_size: int, min_samples: int) -> Hierarchy:
    """scikit-learn's HDBSCAN on all pairs."""
    fitted = HDBSCAN(
        min_cluster_size=min_cluster_size, min_samples=min_samples, algorithm="brute", copy=False
    ).fit(rows.astype(np.float64))
    cells = inverted_file.build(rows)
    nth = max(1, min_samples - 1)
    _, squared = nearest_neighbours(cells, nth, 1)
    return Hierarchy(
        labels=fitted.labels_.astype(np.int64),
        reach=np.sqrt(squared[:, -1]).astype(np.float64),
        cells=1,
        probes=1,
        joins=0,
    )


def _graph(total: int, left: Indices, right: Indices, length: Floats) -> csr_matrix:
    """Distances both ways, and 0 from each row to itself, which HDBSCAN counts as a neighbour."""
    swap = left > right
    left, right = np.where(swap, right, left), np.where(swap, left, right)
    _, first = np.unique(left * total + right, return_index=True)
    left, right, length = left[first], right[first], np.maximum(length[first], _LEAST)
    own = np.arange(total)
    return coo_matrix(
        (
            np.concatenate([length, length, np.zeros(total)]).astype(np.float64),
            (np.concatenate([left, right, own]), np.concatenate([right, left, own])),
        ),
        shape=(total, total),
    ).tocsr()


def _bridges(
    cells: Cells, forest: Forest, reach: Floats, probes: int
) -> tuple[Indices, Indices, Floats]:
    """Edges that join all parts into one: the shortest out of each, by mutual reachability."""
    left: list[Indices] = []
    right: list[Indices] = []
    length: list[Floats] = []
    while True:
        roots = forest.all_roots()
        names, part = np.unique(roots, return_inverse=True)
        if len(names) == 1:
            break
        one, two, apart = _shortest(cells, part, len(names), reach, probes)
        if not len(one):  # every cell that was looked into lies in one part
            probes *= 2
            continue
        left.append(one)
        right.append(two)
        length.append(apart)
        forest.join(roots[one], roots[two])
    if not left:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    return np.concatenate(left), np.concatenate(right), np.concatenate(length)


def _shortest(
    cells: Cells, part: Indices, parts: int, reach: Floats, probes: int
) -> tuple[Indices, Indices, Floats]:
    """Of each part but the largest, the shortest edge to another, where one is in sight."""
    best = np.full(parts, np.inf, np.float32)
    from_row = np.full(parts, -1, np.int64)
    to_row = np.full(parts, -1, np.int64)
    apart = np.zeros(parts, np.float32)
    largest = np.bincount(part).argmax()
    for cell, members in enumerate(cells.members):
        asking = members[part[members] != largest]
        if not len(asking):
            continue
        near, _ = cells.near(cell, np.inf, probes)
        for start in range(0, len(asking), 1024):
            block = asking[start : start + 1024]
            mine = part[block]
            alone = mine[0] if (mine == mine[0]).all() else None
            for others in cells.gathered(near):
                some = others if alone is None else others[part[others] != alone]
                if not len(some):
                    continue
                distance = np.sqrt(cells.squared(block, some)[0])
                mutual = np.maximum(distance, reach[some])
                np.maximum(mutual, reach[block][:, None], out=mutual)
                mutual[mine[:, None] == part[some]] = np.inf
                at = mutual.argmin(axis=1)
                value = mutual[np.arange(len(block)), at]
                order = np.lexsort((np.arange(len(block)), value, mine))
                first = order[np.flatnonzero(np.diff(mine[order], prepend=-1))]
                first = first[value[first] < best[mine[first]]]
                best[mine[first]] = value[first]
                from_row[mine[first]] = block[first]
                to_row[mine[first]] = some[at[first]]
                apart[mine[first]] = distance[first, at[first]]
    seen = np.isfinite(best)
    return from_row[seen], to_row[seen], apart[seen]
