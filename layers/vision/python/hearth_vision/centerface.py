"""Faces by CenterFace: Xu et al., "CenterFace: joint face detection and alignment", 2019."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed
from hearth_vision.backends.onnx_runtime import OnnxRuntimeProgram
from hearth_vision.backends.program import Shape, Size, Tensor
from hearth_vision.detections import Boxes, Detections, Scores
from hearth_vision.image_check import validate_image
from hearth_vision.images import Bgr
from hearth_vision.letterbox import InputFormat, letterbox, rectangle
from hearth_vision.nms import suppress

MAX_SIDE: Final = 960
"""Longer side searched, pixels; the time grows with the area."""

CONFIDENCE: Final = 0.35
"""Lower than the 0.5 of its authors: to blur a wall costs less than to show a face."""

_STRIDE = 4  # input pixels of one cell of the heat map
_FORM = InputFormat(rgb=True, scale=1.0, centred=False)
_IOU = 0.3
_MAX_FACES = 500


class CenterFace:
    """A network that finds faces of any pose, from some ten pixels on.

    Args:
        path: ONNX file that `hearth_vision.conversion` made.
        threads: For one inference.

    Raises:
        ModelFailed: The file cannot be run, or is of another network.
    """

    method = "centerface-onnx"

    def __init__(self, path: Path, threads: int) -> None:
        self._model = path.name
        # ONNX Runtime alone: OpenVINO compiles each size anew, and every person is another one.
        self._program = OnnxRuntimeProgram(
            path, threads=threads, size=(64, 96), format_of=self._format_of
        )

    def find(self, image: Bgr) -> Detections:
        """Faces on an image, class 0; the same image gives the same answer.

        Args:
            image: (H, W, 3) uint8, BGR.

        Raises:
            InvalidInput: Not such an array.
            ModelFailed: The network answered nonsense.
        """
        validate_image(image)
        height, width = image.shape[:2]
        factor = min(1.0, MAX_SIDE / max(height, width))
        bounds = max(1, round(height * factor)), max(1, round(width * factor))
        boxed, placement = letterbox(image, rectangle((height, width), bounds), centred=False)
        heat, sizes, offsets = next(iter(self._program.run_many([boxed])))
        boxes, scores = decode(heat, sizes, offsets)
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelFailed(f"model {self._model}: it answered NaN or infinity on an image")
        boxes = placement.to_source(boxes)
        seen = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
        boxes, scores = boxes[seen], np.clip(scores[seen], 0, 1)
        class_ids = np.zeros(len(scores), np.int64)
        kept = suppress(boxes, scores, class_ids, _IOU, _MAX_FACES)
        return Detections(boxes[kept], scores[kept], class_ids[kept])

    def _format_of(self, shapes: Sequence[Shape], size: Size) -> InputFormat:
        rows, columns = size[0] // _STRIDE, size[1] // _STRIDE
        expected = [(1, channels, rows, columns) for channels in (1, 2, 2)]
        if list(shapes) != expected:
            raise ModelFailed(
                f"model {self._model}: outputs of the shapes {expected} are expected, not {shapes}"
            )
        return _FORM


def decode(heat: Tensor, sizes: Tensor, offsets: Tensor) -> tuple[Boxes, Scores]:
    """Faces above `CONFIDENCE`, in input pixels.

    Args:
        heat: (1, 1, rows, columns) float32, 0..1: how sure a face's centre lies in a cell.
        sizes: (1, 2, rows, columns): log of height and width, in cells.
        offsets: Likewise: y and x of the centre within its cell.
    """
    rows, columns = np.nonzero(heat[0, 0] >= CONFIDENCE)
    halves = np.exp(sizes[0][:, rows, columns].astype(np.float64)) / 2
    centres = np.stack((rows, columns)) + offsets[0][:, rows, columns] + 0.5
    low, high = centres - halves, centres + halves
    boxes = np.stack((low[1], low[0], high[1], high[0]), axis=1) * _STRIDE
    scores: NDArray[np.float32] = heat[0, 0, rows, columns].astype(np.float32)
    return boxes.astype(np.float32), scores
