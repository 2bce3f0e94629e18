"""Squared Euclidean distances in blocks, by matrix multiplication; and means by label."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

_CELLS: Final = 2_000_000
"""Distances that are held at once: 8 MB, so that a block stays near the processor."""

Floats = NDArray[np.float32]


def squared_norms(rows: Floats) -> Floats:
    """Of each row, the squared length; float32, (rows,)."""
    squared: Floats = np.einsum("ij,ij->i", rows, rows)
    return squared


def squared_distances(rows: Floats, others: Floats, norms: Floats, other_norms: Floats) -> Floats:
    """|a|² + |b|² - 2ab; float32, (rows, others), never below 0."""
    found: Floats = rows @ others.T
    found *= -2
    found += norms[:, None]
    found += other_norms
    np.maximum(found, 0, out=found)
    return found


def nearest(rows: Floats, points: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Of each row, the index of the nearest point (the first of equals) and its squared distance.

    Args:
        rows: float32, (rows, dimensions).
        points: float32, (points, dimensions).
    """
    found = np.empty(len(rows), np.int64)
    squared = np.empty(len(rows), np.float32)
    norms = squared_norms(points)
    width = max(1, min(len(points), _CELLS // 64))
    step = max(64, _CELLS // width)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        own = squared_norms(block)
        best = np.full(len(block), np.inf, np.float32)
        index = np.zeros(len(block), np.int64)
        for left in range(0, len(points), width):
            reach = slice(left, left + width)
            distances = squared_distances(block, points[reach], own, norms[reach])
            at = distances.argmin(axis=1)
            value = distances[np.arange(len(block)), at]
            better = value < best
            best[better] = value[better]
            index[better] = at[better] + left
        found[start : start + step] = index
        squared[start : start + step] = best
    return found, squared


def means(rows: Floats, labels: NDArray[np.int64], otherwise: Floats) -> Floats:
    """The mean row of each label 0, 1, …; that of `otherwise` where a label has no row.

    float32, (labels, dimensions).
    """
    total, k = len(rows), len(otherwise)
    membership = csr_matrix(
        (np.ones(total, np.float32), labels, np.arange(total + 1)), shape=(total, k)
    )
    sizes = np.bincount(labels, minlength=k)[:, None]
    sums = np.asarray(membership.T @ rows)
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), otherwise).astype(np.float32)
