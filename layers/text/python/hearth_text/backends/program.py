"""The port that every backend of text models implements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Precision = Literal["auto", "float32", "bfloat16"]
"""Precision of operations outside INT8; `auto` is bfloat16 where the processor has it."""


class TextProgram(Protocol):
    """A compiled network that takes token ids.

    Attributes:
        inputs: Names of its inputs, such as `input_ids` and `attention_mask`.
        streams: How many threads may be in `run` at a time and each have a processor.
        detail: Version, arithmetic, streams and processor features, for people.
    """

    inputs: tuple[str, ...]
    streams: int
    detail: str

    def run(self, batch: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Run one inference; thread-safe.

        Args:
            batch: Integers of (rows, tokens) for each of `inputs`; others are ignored.

        Returns:
            Each output, a copy of the caller's own.

        Raises:
            ModelFailed: The runtime failed, or an input is missing.
        """
        ...
