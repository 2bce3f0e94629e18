"""Nearest neighbours of all rows, out of the cells around each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from functions.clustering.algorithms.cells import Cells

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def nearest_neighbours(cells: Cells, count: int, probes: int) -> tuple[Indices, Floats]:
    """The `count` rows nearest to each row, itself not included.

    Args:
        count: Below the number of rows.
        probes: Cells that are looked into for each; more where they hold too few rows.

    Returns:
        Indices and squared distances, the nearest first; (rows, count).
    """
    found = np.full((len(cells.rows), count), -1, np.int64)
    squared = np.full((len(cells.rows), count), np.inf, np.float32)
    for cell, members in enumerate(cells.members):
        every, _ = cells.near(cell, np.inf, len(cells.members))
        held = np.cumsum([len(cells.members[other]) for other in every])
        near = every[: max(probes, int(np.searchsorted(held, count, side="right")) + 1)]
        for start in range(0, len(members), 1024):
            block = members[start : start + 1024]
            best, at = _of_block(cells, block, near, count)
            squared[block], found[block] = best, at
    return found, squared


def _of_block(cells: Cells, block: Indices, near: Indices, count: int) -> tuple[Floats, Indices]:
    best = np.full((len(block), count), np.inf, np.float32)
    at = np.full((len(block), count), -1, np.int64)
    for others in cells.gathered(near):
        distances, _ = cells.squared(block, others)
        distances[block[:, None] == others] = np.inf
        if not np.isfinite(best[:, -1]).all() and len(others) > count:
            some = np.argpartition(distances, count - 1, axis=1)[:, :count]
            closer = np.take_along_axis(distances, some, axis=1)
            _merge(
                best,
                at,
                np.repeat(np.arange(len(block)), count),
                closer.ravel(),
                others[some].ravel(),
            )
            continue
        line, column = (distances < best[:, -1:]).nonzero()
        if len(line):
            _merge(best, at, line, distances[line, column], others[column])
    return best, at


def _merge(best: Floats, at: Indices, line: Indices, distance: Floats, other: Indices) -> None:
    """Put what was found into the rows' lists, in place; `line` is ascending."""
    lines = np.unique(line)
    count = best.shape[1]
    where = np.concatenate([np.repeat(lines, count), line])
    value = np.concatenate([best[lines].ravel(), distance])
    name = np.concatenate([at[lines].ravel(), other])
    order = np.lexsort((name, value, where))
    where = where[order]
    starts = np.searchsorted(where, lines)
    first = order[(starts[:, None] + np.arange(count)).ravel()]
    best[lines] = value[first].reshape(-1, count)
    at[lines] = name[first].reshape(-1, count)
