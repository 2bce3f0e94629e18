"""Who may be near whom: an inverted file (IVF) whose lists are compared by matrix multiplication.

Rows are put into the lists of about √n centroids, as in faiss's IVF. faiss then scans lists for one
row after the other; here a list meets another as two matrices. The rows far from their centroid
(the rim, where the noise is) are a list of their own, and both are cells.

A pair of cells is left out if no two of their rows can be near enough. A row y of cell B within r
of a row x of cell A lies no farther than r behind the plane between the two centroids, and its
distance to a centroid differs from that of x by no more than r. Both are known when the cells are
made. So the result within a radius is exact, unless more cells remain than `probes` admits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms.distances import (
    means,
    nearest,
    squared_distances,
    squared_norms,
)
from functions.clustering.algorithms.matrix import stride

EXACT_BELOW: Final = 2_000
"""Rows that make up one cell, so that all pairs are looked at."""
_ROWS_PER_CENTROID: Final = 32
_STEPS: Final = 4
_BLOCK: Final = 2048
_RIM: Final = 1.5
"""Of the median distance to the centroid: where the rim begins."""
_ROUNDING: Final = 1e-6
"""Of the rows' squared lengths: what a float32 distance by multiplication can be off by."""
_SLACK: Final = 1e-3
"""Of a gap, for what float32 loses."""

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """An inverted file.

    Attributes:
        rows: float32, (rows, dimensions), as they came.
        members: For each cell, the indices of its rows, ascending; no cell is empty.
        gaps: float32, (cells, cells): the least distance at which a row of one and a row of the
            other can lie; 0 on the diagonal.
    """

    rows: Floats
    members: tuple[Indices, ...]
    gaps: Floats

    def near(self, cell: int, reach: float, probes: int) -> tuple[Indices, bool]:
        """Cells with rows within `reach` of rows of `cell`: the nearest first, itself included.

        Returns:
            At most `probes` indices, and whether these are all.
        """
        gaps = self.gaps[cell]
        found = np.flatnonzero(gaps <= reach)
        found = found[np.argsort(gaps[found], kind="stable")]
        return found[:probes], len(found) <= probes

    def neighbours(self, reach: float, probes: int) -> tuple[list[Indices], bool]:
        """For each cell, cells with rows within `reach`; B is A's if A is B's.

        Returns:
            The nearest first, itself included; and whether these are all.
        """
        count = len(self.members)
        chosen = np.zeros((count, count), bool)
        complete = True
        for cell in range(count):
            found, all_of_them = self.near(cell, reach, probes)
            chosen[cell, found] = True
            complete &= all_of_them
        chosen |= chosen.T
        order = [np.flatnonzero(line) for line in chosen]
        return [
            found[np.argsort(self.gaps[cell, found], kind="stable")]
            for cell, found in enumerate(order)
        ], complete

    def squared(self, left: Indices, right: Indices) -> tuple[Floats, float]:
        """Squared distances between rows, and what they can be off by; float32, (left, right).

        Measured from the middle of `left`: near rows keep the digits that tell them apart.
        """
        ours = self.rows[left]
        middle = ours.mean(axis=0)
        ours -= middle
        theirs = self.rows[right]
        theirs -= middle
        norms, other_norms = squared_norms(ours), squared_norms(theirs)
        slack = _ROUNDING * (float(norms.max()) + float(other_norms.max()))
        return squared_distances(ours, theirs, norms, other_norms), slack

    def gathered(self, cells: Indices, most: int = _BLOCK) -> Iterator[Indices]:
        """The rows of cells, `most` at a time."""
        rows = np.concatenate([self.members[cell] for cell in cells])
        for start in range(0, len(rows), most):
            yield rows[start : start + most]


def build(rows: Floats) -> Cells:
    """Put rows (in canonical order) into cells."""
    norms = squared_norms(rows)
    if len(rows) <= EXACT_BELOW:
        everyone = np.arange(len(rows), dtype=np.int64)
        return Cells(rows, (everyone,), np.zeros((1, 1), np.float32))
    points, rim = _centroids(rows, round(len(rows) ** 0.5))
    count = len(points)
    own = squared_norms(points)
    apart = np.sqrt(squared_distances(points, points, own, own))
    apart = np.where(apart > 0, apart, np.inf).astype(np.float32)
    place = np.empty(len(rows), np.int64)
    behind = np.full((2 * count, count), np.inf, np.float32)
    least, most = behind.copy(), np.zeros_like(behind)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        squared = squared_distances(rows[block], points, norms[block], own)
        cell = squared.argmin(axis=1)
        nearest_of = squared[np.arange(len(cell)), cell]
        here = 2 * cell + (np.sqrt(nearest_of) > rim[cell])
        place[block] = here
        order = np.argsort(here, kind="stable")
        starts = np.flatnonzero(np.diff(here[order], prepend=-1))
        some = here[order][starts]
        squared = squared[order]
        plane = (squared - nearest_of[order, None]) / (2 * apart[cell[order]])
        np.sqrt(squared, out=squared)
        behind[some] = np.minimum(behind[some], np.minimum.reduceat(plane, starts, axis=0))
        least[some] = np.minimum(least[some], np.minimum.reduceat(squared, starts, axis=0))
        most[some] = np.maximum(most[some], np.maximum.reduceat(squared, starts, axis=0))
    used = np.unique(place)
    of = used // 2
    behind, least, most = behind[used][:, of], least[used][:, of], most[used][:, of]
    gaps = np.maximum(behind, least - most.diagonal())
    gaps = np.maximum(gaps, least.diagonal() - most)
    gaps = np.maximum(gaps, gaps.T) * (1 - _SLACK)
    np.fill_diagonal(gaps, 0)
    in_order = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[in_order], used)
    return Cells(rows, tuple(np.split(in_order, edges[1:])), gaps)


def _centroids(rows: Floats, count: int) -> tuple[Floats, Floats]:
    """A few steps of k-means on a sample: a cell need not be good, only small.

    Returns:
        The centroids, and how far from each its rim begins.
    """
    sample = rows[stride(len(rows), _ROWS_PER_CENTROID * count)]
    points = sample[stride(len(sample), count)]
    for _ in range(_STEPS):
        labels, _ = nearest(sample, points)
        points = means(sample, labels, points)
    labels, squared = nearest(sample, points)
    order = np.lexsort((squared, labels))
    sizes = np.bincount(labels, minlength=count)
    middle = np.minimum(np.cumsum(sizes) - sizes + sizes // 2, len(sample) - 1)
    median = np.sqrt(squared[order][middle])
    return points, np.where(sizes > 0, _RIM * median, np.inf).astype(np.float32)
