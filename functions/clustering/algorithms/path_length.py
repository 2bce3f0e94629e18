"""Which columns isolate a row in an isolation forest (Liu, Ting and Zhou 2008)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

_EULER: Final = float(np.euler_gamma)


def contributions(forest: IsolationForest, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Splits that each column saves; (rows, columns).

    The expected depth of a node is the mean depth of the rows that fitted the tree and came there.
    Going down, each split changes it, and the change belongs to the column that was split: a row's
    columns add up to the expected depth at the root less the row's own (mean over the trees).
    """
    found = np.zeros(rows.shape)
    every = np.arange(len(rows))
    for estimator, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        tree = estimator.tree_
        left, right = tree.children_left, tree.children_right
        expected = _expected_depth(left, right, tree.n_node_samples)
        node = np.zeros(len(rows), np.int64)
        inner = left[node] >= 0
        while inner.any():
            going = every[inner]
            here = node[going]
            column = columns[tree.feature[here]]
            low = rows[going, column] <= tree.threshold[here]
            below = np.where(low, left[here], right[here])
            found[going, column] += expected[here] - expected[below]
            node[going] = below
            inner = left[node] >= 0
    return found / len(forest.estimators_)


def mean_depth(forest: IsolationForest, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """The depth at which each row is alone (estimated where a tree stopped early); (rows,)."""
    total = np.zeros(len(rows))
    for estimator, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        tree = estimator.tree_
        expected = _expected_depth(tree.children_left, tree.children_right, tree.n_node_samples)
        total += expected[tree.apply(np.ascontiguousarray(rows[:, columns]))]
    return total / len(forest.estimators_)


def root_depth(forest: IsolationForest) -> float:
    """The expected depth of the rows that fitted the trees."""
    depths = [
        _expected_depth(
            estimator.tree_.children_left,
            estimator.tree_.children_right,
            estimator.tree_.n_node_samples,
        )[0]
        for estimator in forest.estimators_
    ]
    return float(np.mean(depths))


def _expected_depth(
    left: NDArray[np.int64], right: NDArray[np.int64], samples: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Of each node, level by level: down for the depth, and up again for the mean below."""
    depth = np.zeros(len(left))
    levels = []
    level = np.zeros(1, np.int64)
    while len(level := level[left[level] >= 0]):
        levels.append(level)
        below = np.concatenate([left[level], right[level]])
        depth[below] = len(levels)
        level = below
    expected = depth + _unfinished(samples)
    for level in reversed(levels):
        one, other = left[level], right[level]
        expected[level] = (
            samples[one] * expected[one] + samples[other] * expected[other]
        ) / samples[level]
    return expected


def _unfinished(samples: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean depth of a tree of so many rows, formula 1 of the paper."""
    count = samples.astype(np.float64)
    more = 2 * (np.log(np.maximum(count - 1, 1)) + _EULER) - 2 * (count - 1) / np.maximum(count, 1)
    return np.where(count > 2, more, np.where(count == 2, 1.0, 0.0))
