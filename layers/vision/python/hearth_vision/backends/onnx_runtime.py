"""Runs a network with ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# ONNX Runtime 1.31 sends usage data on Linux too, and warns where it cannot write its identifier
# (a read-only file system). It reads this once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime

from hearth.errors import ModelFailed
from hearth.processor import cpu_features
from hearth_vision.backends.model_input import input_size, supported_dtype
from hearth_vision.backends.program import (
    FormatOf,
    Size,
    Tensor,
    follows_its_input,
    trial_size,
    write_tensor,
)
from hearth_vision.images import Bgr
from hearth_vision.letterbox import InputFormat

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


class OnnxRuntimeProgram:
    """A `TensorProgram` on ONNX Runtime, float32 arithmetic.

    Args:
        path: ONNX file.
        threads: For one inference.
        size: (height, width) where the model leaves them free.
        format_of: Finds the pixel format of the network's input.

    Raises:
        ModelFailed: The file cannot be run, its input is not an image, or its output unreadable.
    """

    backend = "onnxruntime"
    precision = "float32"

    def __init__(self, path: Path, *, threads: int, size: Size, format_of: FormatOf) -> None:
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Every error is raised with its text.
        options.log_severity_level = 4
        # Threads that wait for the next image must not spin: on a small machine they take the
        # processor from the functions beside. Within one inference spinning is worth a fifth.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._model = path.name
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its types have no common base, and C++ ones come through
            raise ModelFailed(f"model {path.name}: ONNX Runtime cannot load it: {error}") from error
        inputs = self._session.get_inputs()
        self.size, free = input_size(
            path.name,
            [[d if isinstance(d, int) else None for d in node.shape] for node in inputs],
            size,
        )
        element = inputs[0].type
        self._tensor: Tensor = np.zeros(
            (1, 3, *self.size), supported_dtype(path.name, _DTYPES.get(element, element))
        )
        self._input = inputs[0].name

        def form_at(size: Size) -> InputFormat:
            outputs = self._run(np.zeros((1, 3, *size), self._tensor.dtype))
            return format_of([output.shape for output in outputs], size)

        self.form = form_at(self.size)
        trial = trial_size(self.size)
        self.rectangular = free and follows_its_input(self.form, trial, form_at)
        self.trial = trial if self.rectangular else self.size
        self.detail = (
            f"onnxruntime {onnxruntime.__version__}, float32, {threads} threads, "
            f"{' '.join(cpu_features()) or 'processor features unknown'}"
        )

    def run_many(self, images: Iterable[Bgr]) -> Iterator[list[Tensor]]:
        for image in images:
            shape = (1, 3, *image.shape[:2])
            if self._tensor.shape != shape:
                self._tensor = np.empty(shape, self._tensor.dtype)
            write_tensor(image, self.form, self._tensor)
            yield self._run(self._tensor)

    def _run(self, tensor: Tensor) -> list[Tensor]:
        try:
            outputs: list[Any] = self._session.run(None, {self._input: tensor})
        except Exception as error:
            raise ModelFailed(f"model {self._model}: ONNX Runtime failed: {error}") from error
        return outputs


def leaves_size_free(path: Path) -> bool:
    """Whether a graph that was run takes images of any height or width."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return not all(isinstance(side, int) for side in session.get_inputs()[0].shape[2:])
