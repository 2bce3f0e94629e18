"""Runs a network with OpenVINO on the processor."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
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

import numpy as np  # noqa: E402

from hearth.errors import ModelFailed  # noqa: E402
from hearth.processor import cpu_features  # noqa: E402
from hearth_vision.backends.model_input import input_size, supported_dtype  # noqa: E402
from hearth_vision.backends.program import (  # noqa: E402
    FormatOf,
    Size,
    Tensor,
    follows_its_input,
    trial_size,
)
from hearth_vision.images import Bgr  # noqa: E402
from hearth_vision.letterbox import InputFormat  # noqa: E402

STREAMS = 4
"""Images of a batch that are worked on at once, at most: batches are of ten."""

PROGRAMS = 8
"""Input sizes, alone and in batches, that are kept compiled; each costs about as much memory as
the model's file."""

_DTYPES = {"f32": "float32", "f16": "float16"}
_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_NAMES = {"f32": "float32", "bf16": "bfloat16"}


class OpenVinoProgram:
    """A `TensorProgram` on OpenVINO.

    Images go in as they are, bytes in BGR: turning channels, scaling and transposing are part of
    the graph, where they are fused with the first convolution. Each input size is compiled when it
    is first met.

    Several images go in streams of their own, each on its share of the threads, which need not
    wait for each other; one image alone gets all threads. The two are compiled apart, each when
    it is first asked for.

    Args:
        path: ONNX file, or OpenVINO IR.
        threads: For one inference.
        size: (height, width) where the model leaves them free.
        precision: Precision of the arithmetic; bfloat16 needs a processor that has it.
        format_of: Finds the pixel format of the network's input.
        cache: Folder in which compiled programs are kept; None keeps none.

    Raises:
        ModelFailed: The file cannot be run, its input is not an image, or its output unreadable.
    """

    backend = "openvino"

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        size: Size,
        precision: Literal["float32", "bfloat16"],
        format_of: FormatOf,
        cache: Path | None = None,
    ) -> None:
        self._model = path.name
        self._options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            # Pinned threads of two processes would share one core and leave another idle.
            "ENABLE_CPU_PINNING": False,
        }
        if cache is not None:
            self._options["CACHE_DIR"] = str(cache)
        self._streams = min(threads, STREAMS)
        self._requests: OrderedDict[tuple[Size, int], deque[Any]] = OrderedDict()
        try:
            self._core = openvino.Core()
            self._graph = self._core.read_model(path)
            self.size, free = input_size(
                path.name,
                [
                    [None if d.is_dynamic else d.get_length() for d in node.partial_shape]
                    for node in self._graph.inputs
                ],
                size,
            )
            element = self._graph.inputs[0].element_type.get_type_name()
            supported_dtype(path.name, _DTYPES.get(element, element))

            def form_at(size: Size) -> InputFormat:
                self._reshape((1, 3, *size))
                shapes = [
                    tuple(None if d.is_dynamic else d.get_length() for d in node.partial_shape)
                    for node in self._graph.outputs
                ]
                return format_of(shapes, size)

            self.form = form_at(self.size)
            trial = trial_size(self.size)
            self.rectangular = free and follows_its_input(self.form, trial, form_at)
            self.trial = trial if self.rectangular else self.size
            self._graph = self._with_pixels()
            compiled = self._compiled(self.trial, streams=1)
            used = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        except RuntimeError as error:  # every error of its C++ core
            raise self._refused(error) from error
        self.precision = _NAMES.get(used, used)
        if any(op.get_type_name() == "FakeQuantize" for op in self._graph.get_ops()):
            self.precision = f"int8 and {self.precision}"
        self.detail = (
            f"openvino {openvino.__version__.partition('-')[0]}, "
            f"{self.precision}, {threads} threads, "
            f"{' '.join(cpu_features()) or 'processor features unknown'}"
        )

    def run_many(self, images: Iterable[Bgr]) -> Iterator[list[Tensor]]:
        source = iter(images)
        first = list(islice(source, 2))
        streams = self._streams if len(first) > 1 else 1
        running: deque[Any] = deque()
        try:
            for image in chain(first, source):
                if len(running) == _in_flight(streams):
                    # What comes out is read while the other requests are being worked on.
                    yield self._result(running.popleft())
                running.append(self._start(image, streams))
            while running:
                yield self._result(running.popleft())
        finally:
            # The source of images failed, or the reader left: leave no request running.
            for request in running:
                request.wait()

    def _start(self, image: Bgr, streams: int) -> Any:
        try:
            requests = self._requests_of((image.shape[0], image.shape[1]), streams)
            request = requests[0]
            # No more are in flight than there are, so the one used longest ago is free.
            requests.rotate(-1)
            request.get_input_tensor().data[0] = image
            request.start_async()
        except RuntimeError as error:
            raise self._failed(error) from error
        return request

    def _requests_of(self, size: Size, streams: int) -> deque[Any]:
        if (size, streams) not in self._requests:
            self._compiled(size, streams)
        self._requests.move_to_end((size, streams))
        return self._requests[size, streams]

    def _compiled(self, size: Size, streams: int) -> Any:
        """Compile for an input size, and evict the least recently used."""
        self._reshape((1, *size, 3))
        options = self._options | {"NUM_STREAMS": streams}
        compiled = self._core.compile_model(self._graph, "CPU", options)
        self._requests[size, streams] = deque(
            compiled.create_infer_request() for _ in range(_in_flight(streams))
        )
        if len(self._requests) > PROGRAMS:
            self._requests.popitem(last=False)
        return compiled

    def _reshape(self, dimensions: Sequence[int]) -> None:
        shape = openvino.PartialShape(list(dimensions))
        if self._graph.is_dynamic() or self._graph.inputs[0].partial_shape != shape:
            try:
                self._graph.reshape(shape)
            except RuntimeError as error:
                raise self._refused(error) from error

    def _with_pixels(self) -> Any:
        """The graph with its input as bytes, (1, height, width, 3) in BGR."""
        prepared = openvino.preprocess.PrePostProcessor(self._graph)
        image_input = prepared.input()
        image_input.tensor().set_element_type(openvino.Type.u8)
        image_input.tensor().set_layout(openvino.Layout("NHWC"))
        image_input.tensor().set_color_format(openvino.preprocess.ColorFormat.BGR)
        image_input.model().set_layout(openvino.Layout("NCHW"))
        steps = image_input.preprocess()
        if self.form.rgb:
            steps.convert_color(openvino.preprocess.ColorFormat.RGB)
        steps.convert_element_type(openvino.Type.f32)
        if self.form.scale != 1:
            steps.scale(1 / self.form.scale)
        if any(self.form.mean):
            steps.mean(list(self.form.mean))
            steps.scale(list(self.form.deviation))
        return prepared.build()

    def _result(self, request: Any) -> list[Tensor]:
        try:
            request.wait()
            return [np.asarray(tensor.data) for tensor in request.output_tensors]
        except RuntimeError as error:
            raise self._failed(error) from error

    def _refused(self, error: RuntimeError) -> ModelFailed:
        return ModelFailed(f"model {self._model}: OpenVINO cannot load it: {_first_line(error)}")

    def _failed(self, error: RuntimeError) -> ModelFailed:
        return ModelFailed(f"model {self._model}: OpenVINO failed: {_first_line(error)}")


def _in_flight(streams: int) -> int:
    """Requests at once: one image more waits inside OpenVINO, so that no stream is idle."""
    return streams + 1


def _first_line(error: RuntimeError) -> str:
    """The message of an OpenVINO error without its C++ file names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (reasons or lines or ["no reason given"])[0][:300]
