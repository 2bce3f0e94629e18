"""What a fitted model says of new rows."""

from __future__ import annotations

from functions.clustering.algorithms.answers import Scores
from functions.clustering.algorithms.fitted import Model
from functions.clustering.algorithms.matrix import Table


def score(model: Model, table: Table) -> Scores:
    """Label new rows.

    Raises:
        InvalidInput: Other columns than the model's, an empty cell or infinity.
    """
    raise NotImplementedError
