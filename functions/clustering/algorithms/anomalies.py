"""Rows that are unlike the others."""

from __future__ import annotations

from functions.clustering.algorithms.answers import AnomalyAnswer
from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import AnomalyParameters


def find_anomalies(table: Table, parameters: AnomalyParameters) -> AnomalyAnswer:
    """Find unusual rows.

    Raises:
        InvalidInput: As for clusters.
    """
    raise NotImplementedError
