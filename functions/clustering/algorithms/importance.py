"""Which columns a target depends on."""

from __future__ import annotations

from collections.abc import Sequence

from functions.clustering.algorithms.answers import ImportanceAnswer
from functions.clustering.algorithms.matrix import Table
from functions.clustering.algorithms.parameters import ImportanceParameters


def importance(
    table: Table, target: Sequence[float | str | bool | None], parameters: ImportanceParameters
) -> ImportanceAnswer:
    """Fit a forest and shuffle its columns.

    Args:
        table: What the target may depend on.
        target: One value a row; None is an empty cell.

    Raises:
        InvalidInput: As for clusters; or a target of another length, of mixed kinds, with one value
            only, or one that the task cannot have.
    """
    raise NotImplementedError
