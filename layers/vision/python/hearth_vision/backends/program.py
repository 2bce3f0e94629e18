"""The port that every backend fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]


class TensorProgram(Protocol):
    """A compiled network with one picture as its input.

    Attributes:
        input_shape: (1, 3, height, width).
        input_dtype: float32 or float16.
        backend: `onnxruntime` or `openvino`.
        precision: Of the arithmetic, `float32`, `bfloat16` or `int8 and …`.
        detail: Version, precision, threads and processor features, for people.
    """

    input_shape: tuple[int, int, int, int]
    input_dtype: np.dtype[Any]
    backend: str
    precision: str
    detail: str

    def run(self, batch: Tensor) -> list[Tensor]:
        """One inference.

        Args:
            batch: Of `input_shape` and `input_dtype`.

        Raises:
            ModelFailed: The runtime failed.
        """
        ...

    def run_many(self, batches: Iterable[Tensor]) -> Iterator[list[Tensor]]:
        """Inferences in order; the next batch is drawn while one is being worked on.

        A batch may be overwritten as soon as the next one is drawn.
        """
        ...
