"""DBSCAN (Ester et al. 1996) that holds no pairs: cells are compared, and joined as they are met.

scikit-learn's keeps every neighbour of every row (2 GB at 50,000 rows of some data) and compares
all rows with all others. Here two rows that are known to be joined are not compared again, so dense
clusters, which are the many pairs, cost least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms import cells as inverted_file
from functions.clustering.algorithms.answers import NOISE
from functions.clustering.algorithms.cells import Cells
from functions.clustering.algorithms.forest import Forest

PROBES: Final = 128

_SLAB: Final = 128

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Density:
    """What DBSCAN found.

    Attributes:
        labels: int64, (rows,); -1 is noise. Clusters are numbered by their first row.
        core: bool, (rows,).
        exact: Whether no cell was left out that could have mattered.
        cells, probes: How many cells there are, and how many each was compared with at most.
    """

    labels: Indices
    core: NDArray[np.bool_]
    exact: bool
    cells: int
    probes: int


def dbscan(rows: Floats, eps: float, min_samples: int, probes: int = PROBES) -> Density:
    """Clusters of rows that lie within `eps` of `min_samples` rows, themselves included.

    A row that is near a core but is none belongs to the nearest core.

    Args:
        rows: float32, (rows, dimensions), in canonical order.
    """
    found = inverted_file.build(rows)
    neighbours, exact = found.neighbours(eps, probes)
    core = None if min_samples <= 2 else _counts(found, neighbours, eps) >= min_samples
    forest = _joined(found, neighbours, eps, core)
    roots = forest.all_roots()
    sizes = np.bincount(roots, minlength=len(rows))
    if core is None:  # whoever has a neighbour is a core
        core = sizes[roots] > 1
    _, labels = np.unique(roots[core], return_inverse=True)
    every = np.full(len(rows), NOISE, np.int64)
    every[core] = labels
    if min_samples > 2:
        _adopt(found, neighbours, eps, core, every)
    return Density(every, core, exact, len(found.members), probes)


def _joined(
    cells: Cells, neighbours: list[Indices], eps: float, core: NDArray[np.bool_] | None
) -> Forest:
    forest = Forest(len(cells.rows))
    members = cells.members if core is None else [some[core[some]] for some in cells.members]
    for some in members:
        for left in _parts(some):
            for right in _parts(some[some >= left[0]] if len(left) else some):
                _compare(cells, forest, left, right, eps)
    for cell, others in enumerate(neighbours):
        later = [members[other] for other in others if other > cell]
        if not later or not len(members[cell]):
            continue
        for right in _parts(np.concatenate(later)):
            for left in _parts(members[cell]):
                _compare(cells, forest, left, right, eps)
    return forest


def _compare(cells: Cells, forest: Forest, left: Indices, right: Indices, eps: float) -> None:
    """Join the rows of `left` and `right` that are near, but for those that are joined already."""
    ours, theirs = forest.roots(left), forest.roots(right)
    names, counts = np.unique(ours, return_counts=True)
    most = names[counts.argmax()]
    inside, beside = ours == most, theirs == most
    _join(cells, forest, left[inside], right[~beside], eps)
    _join(cells, forest, left[~inside], right, eps)


def _join(cells: Cells, forest: Forest, left: Indices, right: Indices, eps: float) -> None:
    if not len(left) or not len(right):
        return
    squared, slack = cells.squared(left, right)
    limit = eps * eps
    near = squared <= limit - slack
    for start in range(
        0, len(left), _SLAB
    ):  # all pairs of a dense block would be a heap of indices
        some = left[start : start + _SLAB]
        ours, theirs = forest.roots(some), forest.roots(right)
        pairs = near[start : start + _SLAB] & (ours[:, None] != theirs)
        if pairs.any():
            i, j = pairs.nonzero()
            forest.join(ours[i], theirs[j])
    ours, theirs = forest.roots(left), forest.roots(right)
    # Where rounding could decide, the difference itself does.
    near = np.abs(squared - limit) <= slack
    near &= ours[:, None] != theirs
    if near.any():
        i, j = near.nonzero()
        for start in range(0, len(i), 4096):
            one, two = i[start : start + 4096], j[start : start + 4096]
            difference = cells.rows[left[one]].astype(np.float64) - cells.rows[right[two]]
            sure = np.einsum("ij,ij->i", difference, difference) <= limit
            forest.join(ours[one[sure]], theirs[two[sure]])
            ours, theirs = forest.roots(left), forest.roots(right)


def _counts(cells: Cells, neighbours: list[Indices], eps: float) -> Indices:
    """Of each row, how many lie within `eps`, itself included."""
    counts = np.zeros(len(cells.rows), np.int64)
    for cell, others in enumerate(neighbours):
        for left in _parts(cells.members[cell]):
            for right in cells.gathered(others):
                counts[left] += (cells.squared(left, right)[0] <= eps * eps).sum(axis=1)
    return counts


def _adopt(
    cells: Cells,
    neighbours: list[Indices],
    eps: float,
    core: NDArray[np.bool_],
    labels: Indices,
) -> None:
    """Give rows that are no cores the label of the nearest core within `eps`."""
    for cell, others in enumerate(neighbours):
        lonely = cells.members[cell][~core[cells.members[cell]]]
        for left in _parts(lonely):
            best = np.full(len(left), eps * eps, np.float32)
            for some in cells.gathered(others):
                right = some[core[some]]
                if not len(right):
                    continue
                squared, _ = cells.squared(left, right)
                at = squared.argmin(axis=1)
                value = squared[np.arange(len(left)), at]
                better = value <= best
                best[better] = value[better]
                labels[left[better]] = labels[right[at[better]]]


def _parts(rows: Indices, most: int = 1024) -> list[Indices]:
    return [rows[start : start + most] for start in range(0, len(rows), most)]
