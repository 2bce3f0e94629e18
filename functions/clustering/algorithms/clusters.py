"""Rows in groups."""

from __future__ import annotations

from functions.clustering.algorithms.answers import ClusterAnswer
from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import ClusterParameters


def cluster(table: Table, parameters: ClusterParameters) -> ClusterAnswer:
    """Group rows.

    Raises:
        InvalidInput: Too few rows, rows that are all alike, more clusters than rows, an empty cell
            or infinity; the field is named.
    """
    raise NotImplementedError
