"""Runs a network with ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# ONNX Runtime 1.31 sends usage data on Linux too, and warns where it cannot write its identifier
# (a read-only file system). It reads this once, when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from hearth.errors import ModelFailed
from hearth.processor import cpu_features
from hearth_vision.backends.model_input import fixed_shape, supported_dtype
from hearth_vision.backends.program import Tensor

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16"}


class OnnxRuntimeProgram:
    """A `TensorProgram` on ONNX Runtime, float32 arithmetic.

    Args:
        path: ONNX file.
        threads: For one inference.
        size: (height, width) where the model leaves them free.

    Raises:
        ModelFailed: The file cannot be run, or its input is not a picture.
    """

    backend = "onnxruntime"
    precision = "float32"

    def __init__(self, path: Path, *, threads: int, size: tuple[int, int]) -> None:
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait for the next picture must not spin: on a small machine they take the
        # processor from the functions beside. Within one inference spinning is worth a fifth.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its types have no common base, and C++ ones come through
            raise ModelFailed(f"Model {path.name}: ONNX Runtime cannot load it: {error}") from error
        inputs = self._session.get_inputs()
        self.input_shape = fixed_shape(
            path.name,
            [[d if isinstance(d, int) else None for d in node.shape] for node in inputs],
            size,
        )
        element = inputs[0].type
        self.input_dtype = supported_dtype(path.name, _DTYPES.get(element, element))
        self._input = inputs[0].name
        self._model = path.name
        self.detail = (
            f"onnxruntime {onnxruntime.__version__}, float32, {threads} threads, "
            f"{' '.join(cpu_features()) or 'processor features unknown'}"
        )

    def run(self, batch: Tensor) -> list[Tensor]:
        try:
            outputs: list[Any] = self._session.run(None, {self._input: batch})
        except Exception as error:
            raise ModelFailed(f"Model {self._model}: ONNX Runtime failed: {error}") from error
        return outputs

    def run_many(self, batches: Iterable[Tensor]) -> Iterator[list[Tensor]]:
        return map(self.run, batches)
