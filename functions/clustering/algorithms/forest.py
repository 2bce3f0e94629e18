"""Which rows are joined, while pairs stream past: union-find (Tarjan 1975) on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Indices = NDArray[np.int64]


class Forest:
    """Sets of the indices 0 .. count - 1; each is named by its least member, its root."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count, dtype=np.int64)

    def roots(self, indices: Indices) -> Indices:
        """The root of each index."""
        found = self._parent[indices]
        while True:
            above = self._parent[found]
            if np.array_equal(above, found):
                break
            found = above
        self._parent[indices] = found
        return found

    def join(self, roots: Indices, others: Indices) -> None:
        """Unite the sets of each pair of roots."""
        if not len(roots):
            return
        names, places = np.unique(np.concatenate([roots, others]), return_inverse=True)
        left, right = places[: len(roots)], places[len(roots) :]
        pairs = coo_matrix((np.ones(len(left), bool), (left, right)), (len(names), len(names)))
        _, group = connected_components(pairs, directed=False)
        least = np.full(group.max() + 1, np.iinfo(np.int64).max)
        np.minimum.at(least, group, names)
        self._parent[names] = least[group]

    def all_roots(self) -> Indices:
        """The root of every index."""
        return self.roots(np.arange(len(self._parent), dtype=np.int64))
