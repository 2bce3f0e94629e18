"""The table of numbers that every algorithm starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers with names.

    Attributes:
        values: float32 or float64, (rows, columns), C-contiguous or not, possibly a memory map;
            never written to. NaN is an empty cell.
        columns: A name for each column.
    """

    values: NDArray[np.float32] | NDArray[np.float64]
    columns: tuple[str, ...]
