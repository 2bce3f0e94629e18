"""Runs a network with OpenVINO on the processor."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

# Importing OpenVINO also imports its model converter, which gives this machine an identifier for
# usage data (`~/intel/openvino_ga_cid`) and takes 0.21 of 0.27 s. OpenVINO does without where the
# converter is absent.
_CONVERTER = "openvino.tools.ovc"
if _CONVERTER not in sys.modules:
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
import openvino  # noqa: E402

if sys.modules[_CONVERTER] is None:
    del sys.modules[_CONVERTER]

from hearth.errors import ModelFailed  # noqa: E402
from hearth.processor import cpu_features  # noqa: E402
from hearth_vision.backends.model_input import fixed_shape, supported_dtype  # noqa: E402
from hearth_vision.backends.program import Tensor  # noqa: E402

IN_FLIGHT = 2
"""Requests at once: the next picture is prepared while one is being worked on."""

_DTYPES = {"f32": "float32", "f16": "float16"}
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoProgram:
    """A `TensorProgram` on OpenVINO.

    One stream over all threads with two requests in flight. Measured on two cores with YOLOX-nano
    it beats two streams of one thread by a tenth, and one picture alone takes half the time.

    Args:
        path: ONNX file, or OpenVINO IR.
        threads: For one inference.
        size: (height, width) where the model leaves them free.
        precision: Of the arithmetic; bfloat16 needs a processor that has it.

    Raises:
        ModelFailed: The file cannot be run, or its input is not a picture.
    """

    backend = "openvino"

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        size: tuple[int, int],
        precision: Literal["float32", "bfloat16"],
    ) -> None:
        self._model = path.name
        try:
            core = openvino.Core()
            graph = core.read_model(path)
            self.input_shape = fixed_shape(
                path.name,
                [
                    [None if d.is_dynamic else d.get_length() for d in node.partial_shape]
                    for node in graph.inputs
                ],
                size,
            )
            element = graph.inputs[0].element_type.get_type_name()
            self.input_dtype = supported_dtype(path.name, _DTYPES.get(element, element))
            if graph.is_dynamic():
                graph.reshape(list(self.input_shape))
            compiled = core.compile_model(
                graph,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": _HINTS[precision],
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": 1,
                    # Pinned threads of two processes would share one core and leave another idle.
                    "ENABLE_CPU_PINNING": False,
                },
            )
            self._requests = [compiled.create_infer_request() for _ in range(IN_FLIGHT)]
            used = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        except RuntimeError as error:  # every error of its C++ core
            raise ModelFailed(
                f"Model {path.name}: OpenVINO cannot load it: {_first_line(error)}"
            ) from error
        self._outputs = range(len(compiled.outputs))
        self.precision = {"bf16": "bfloat16", "f32": "float32"}.get(used, used)
        if any(op.get_type_name() == "FakeQuantize" for op in graph.get_ops()):
            self.precision = f"int8 and {self.precision}"
        self.detail = (
            f"openvino {openvino.__version__.partition('-')[0]}, "
            f"{self.precision}, {threads} threads, "
            f"{' '.join(cpu_features()) or 'processor features unknown'}"
        )

    def run(self, batch: Tensor) -> list[Tensor]:
        self._start(self._requests[0], batch)
        return self._result(self._requests[0])

    def run_many(self, batches: Iterable[Tensor]) -> Iterator[list[Tensor]]:
        waiting: list[Any] = []
        free = list(self._requests)
        try:
            for batch in batches:
                if not free:
                    request = waiting.pop(0)
                    outputs = self._result(request)
                    self._start(request, batch)
                    waiting.append(request)
                    yield outputs
                    continue
                request = free.pop(0)
                self._start(request, batch)
                waiting.append(request)
            while waiting:
                yield self._result(waiting.pop(0))
        finally:
            # The source of batches failed, or the reader left: leave no request running.
            for request in waiting:
                request.wait()

    def _start(self, request: Any, batch: Tensor) -> None:
        try:
            request.get_input_tensor().data[:] = batch
            request.start_async()
        except RuntimeError as error:
            raise self._failed(error) from error

    def _result(self, request: Any) -> list[Tensor]:
        try:
            request.wait()
            return [request.get_output_tensor(index).data.copy() for index in self._outputs]
        except RuntimeError as error:
            raise self._failed(error) from error

    def _failed(self, error: RuntimeError) -> ModelFailed:
        return ModelFailed(f"Model {self._model}: OpenVINO failed: {_first_line(error)}")


def _first_line(error: RuntimeError) -> str:
    """The sentence of an OpenVINO error without its C++ file names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (told or lines or ["no reason given"])[0][:300]
