"""Validates a network's input, for both runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hearth.errors import ModelFailed

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
}


def input_size(
    model: str, inputs: Sequence[Sequence[int | None]], size: tuple[int, int]
) -> tuple[tuple[int, int], bool]:
    """The size to run at.

    Args:
        model: Name, for messages.
        inputs: The shape of each input; None where a dimension is free.
        size: (height, width) where the model leaves them free.

    Returns:
        (height, width), and whether the model leaves both free.

    Raises:
        ModelFailed: Not one input of (1, 3, height, width).
    """
    shown = [tuple("?" if d is None else d for d in shape) for shape in inputs]
    if len(inputs) != 1 or len(inputs[0]) != 4:
        raise ModelFailed(
            f"model {model}: inputs have the shapes {shown}, but one of (1, 3, height, width) "
            f"is expected; export it without its post-processing, which takes the image's size as "
            f"an input, so that boxes and scores come out"
        )
    batch, channels, height, width = inputs[0]
    if batch not in (None, 1) or channels not in (None, 3):
        raise ModelFailed(
            f"model {model}: the input has the shape {shown[0]}, but (1, 3, height, width) is "
            f"expected; export with one image a batch"
        )
    chosen = height or size[0], width or size[1]
    if max(chosen) > 4096 or min(chosen) < 32:
        raise ModelFailed(
            f"model {model}: an input of {(1, 3, *chosen)} is outside 32..4096 pixels a side"
        )
    return chosen, height is None and width is None


def supported_dtype(model: str, name: str) -> np.dtype[Any]:
    """The array type for an input's element type.

    Raises:
        ModelFailed: Neither float32 nor float16.
    """
    if name not in DTYPES:
        raise ModelFailed(
            f"model {model}: the input takes {name}; float32 and float16 are supported"
        )
    return DTYPES[name]
