"""The port that every inference backend implements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed
from hearth_vision.images import Bgr
from hearth_vision.letterbox import InputFormat

Tensor = NDArray[Any]
Shape = tuple[int | None, ...]
"""Of a tensor; None where a dimension is not known before the network runs."""
Size = tuple[int, int]
"""(height, width), pixels."""

FormatOf = Callable[[Sequence[Shape], Size], InputFormat]
"""The pixel format of a network's input, from the shapes of its outputs at an input size.

Raises ModelFailed where the outputs cannot be decoded."""


class TensorProgram(Protocol):
    """A compiled network with one image as its input.

    Attributes:
        size: The input that the network was made for, or runs at where it leaves that free.
        rectangular: Whether it also runs at any other size of multiples of 32 pixels.
        trial: A size to try it at: small where it may be.
        form: Pixel format of the network's input; the program converts images to it.
        backend: `onnxruntime` or `openvino`.
        precision: Precision of the arithmetic, `float32`, `bfloat16` or `int8 and …`.
        detail: Version, precision, threads and processor features, for people.
    """

    size: Size
    rectangular: bool
    trial: Size
    form: InputFormat
    backend: str
    precision: str
    detail: str

    def run_many(self, images: Iterable[Bgr]) -> Iterator[list[Tensor]]:
        """Inferences in order; the next images are read while earlier ones are processed.

        Args:
            images: (height, width, 3) uint8, BGR, each of `size`, or of any size of multiples of
                32 where the program is `rectangular`. One alone is handled for latency, several
                for throughput, where the runtime knows a difference.

        Yields:
            All outputs for one image, valid until the next ones are asked for.

        Raises:
            ModelFailed: The runtime failed.
        """
        ...


def trial_size(size: Size) -> Size:
    """A small input with another number of cells than `size`: a baked grid would go unnoticed."""
    return (160, 256) if size[0] * size[1] != 160 * 256 else (160, 192)


def follows_its_input(
    form: InputFormat, size: Size, format_of: Callable[[Size], InputFormat]
) -> bool:
    """Whether a network that leaves its input's size free answers sensibly at another one.

    Many exports leave the size free and carry the grid of one size as a constant.

    Args:
        form: What it answers at its own size.
        size: The other one.
        format_of: Tries a size; raises ModelFailed where the outputs make no sense.
    """
    try:
        return format_of(size) == form
    except ModelFailed:
        return False


def write_tensor(image: Bgr, form: InputFormat, out: Tensor) -> None:
    """Write an image into a network's input.

    Args:
        image: (height, width, 3) uint8, BGR.
        form: Pixel format of the network's input.
        out: (1, 3, height, width) float32 or float16; overwritten.
    """
    # One plane at a time: four times as fast as a transposed copy (0.06 against 0.22 ms at 416).
    planes = cv2.split(image)
    ordered = planes[::-1] if form.rgb else planes
    for plane, target, mean, deviation in zip(
        ordered, out[0], form.mean, form.deviation, strict=True
    ):
        scale = form.scale / deviation
        if scale == 1:
            target[...] = plane
        else:
            np.multiply(plane, np.float32(scale), out=target, casting="same_kind")
        if mean:
            target -= target.dtype.type(mean / deviation)
