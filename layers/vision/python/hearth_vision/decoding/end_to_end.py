"""Exports with suppression inside (`nms=True`, and models that need none): (1, M, 6).

Rows are x1, y1, x2, y2 in model pixels, score and class; rows of zeros fill up. Input is as for
YOLOv8. They show no scores below their threshold, so test images prove little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hearth.errors import ModelFailed
from hearth_vision.decoding.decoder import Candidates
from hearth_vision.decoding.yolov8 import Yolov8Decoder

MAX_ROWS = 3000


def is_end_to_end(shape: Sequence[int | None], cells: int) -> bool:
    """Whether an output is a list of at most `MAX_ROWS` finished detections.

    Args:
        shape: Of the only output; None where a dimension is unknown.
        cells: Rows that a plain detector would have.
    """
    if len(shape) != 3 or shape[0] not in (1, None) or shape[2] != 6:
        return False
    return shape[1] is None or (shape[1] != cells and shape[1] <= MAX_ROWS)


class EndToEndDecoder:
    """Reads finished detections.

    Args:
        model: Name, for messages.
        classes: How many class names there are.
    """

    method = "yolo-end-to-end-onnx"
    form = Yolov8Decoder.form

    def __init__(self, model: str, classes: int) -> None:
        if classes == 0:
            raise ModelFailed(
                f"model {model}: its suppression is inside, so the output does not tell how many "
                f"classes it has, and its file names none; give the class names"
            )
        self._model = model
        self._classes = classes

    def at(self, size: tuple[int, int]) -> EndToEndDecoder:
        """The same: boxes do not depend on a grid."""
        return self

    def scores(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, 4]

    def raw_boxes(self, output: NDArray[Any]) -> NDArray[Any]:
        return output[0, :, :4]

    def decode(self, output: NDArray[Any], confidence: float) -> Candidates:
        # Rows that fill up score nothing, whatever the threshold.
        rows = output[0][(output[0, :, 4] >= confidence) & (output[0, :, 4] > 0)].astype(np.float32)
        class_ids = rows[:, 5].astype(np.int64)
        if (
            len(rows)
            and not (
                (class_ids == rows[:, 5]) & (class_ids >= 0) & (class_ids < self._classes)
            ).all()
        ):
            wrong = next(v for v, i in zip(rows[:, 5].tolist(), class_ids, strict=True)
                         if v != i or not 0 <= i < self._classes)  # fmt: skip
            raise ModelFailed(
                f"model {self._model}: it answered class {wrong:g}, but there are "
                f"{self._classes} class names; give all of them, in the order of training"
            )
        low = np.minimum(rows[:, :2], rows[:, 2:4])
        high = np.maximum(rows[:, :2], rows[:, 2:4])
        return np.concatenate([low, high], axis=1), rows[:, 4].copy(), class_ids

    def check(self, outputs: Sequence[NDArray[Any]]) -> None:
        """Reject outputs that are not boxes in pixels with a score and a class.

        Args:
            outputs: For test images.

        Raises:
            ModelFailed: What is wrong.
        """
        for output in outputs:
            boxes, scores, _ = self.decode(output, confidence=0.0)
            if (output[0, :, 2:4] < output[0, :, :2] - 1).any():
                raise ModelFailed(
                    f"model {self._model}: boxes are no corners x1, y1, x2, y2 in order; export "
                    f"it with corners"
                )
            if (scores > 0.05).any() and boxes[scores > 0.05].max() <= 1.5:
                raise ModelFailed(
                    f"model {self._model}: boxes lie within 0..1; export boxes in pixels of the "
                    f"model's input"
                )
