"""Runs text models with OpenVINO on the processor."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Literal

# Importing OpenVINO also imports its model converter, which gives this machine an identifier for
# usage data (`~/intel/openvino_ga_cid`) and takes 0.21 of 0.27 s. OpenVINO works without it where
# the converter is absent.
_CONVERTER = "openvino.tools.ovc"
if _CONVERTER not in sys.modules:
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
import openvino  # noqa: E402

if sys.modules[_CONVERTER] is None:
    del sys.modules[_CONVERTER]

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from hearth.errors import ModelFailed  # noqa: E402
from hearth.processor import cpu_features, has_bfloat16  # noqa: E402
from hearth_text.backends.program import Precision  # noqa: E402

DYNAMIC_QUANTIZATION_GROUP: Final = 64
"""Group size of the quantization of activations at run time, where the weights are INT8. With 128
the least faithful of 500 spoken commands had a cosine of 0.992 to float32, with 64 of 0.9955."""
_HINTS: Final = {"float32": "f32", "bfloat16": "bf16"}
_NAMES: Final = {"f32": "float32", "bf16": "bfloat16"}


class OpenVinoProgram:
    """A `TextProgram` on OpenVINO, with one thread a stream.

    Several streams of one thread beat one stream of several by 3 to 10 % on batches, and are
    steadier where other programs take a processor now and then.

    Args:
        path: OpenVINO IR (.xml, with its .bin beside it) or ONNX.
        streams: Inferences at a time.
        precision: Of the arithmetic that is not INT8; `auto` is bfloat16 where the processor has
            it.
        cache: Folder of compiled networks; None compiles at each start.

    Raises:
        ModelFailed: The file cannot be run, or bfloat16 is asked for and the processor lacks it.
    """

    def __init__(
        self,
        path: Path,
        *,
        streams: int = 1,
        precision: Precision = "auto",
        cache: Path | None = None,
    ) -> None:
        self._model = path.name
        chosen = _choose(precision)
        properties: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[chosen],
            "INFERENCE_NUM_THREADS": streams,
            "NUM_STREAMS": streams,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": DYNAMIC_QUANTIZATION_GROUP,
            # Pinned threads of two processes could share one core and leave another one idle.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            core = openvino.Core()
            if cache is not None:
                core.set_property({"CACHE_DIR": str(cache)})
            # By path, so that a hit in the cache reads no graph.
            compiled = core.compile_model(str(path), "CPU", properties)
            self._requests: SimpleQueue[Any] = SimpleQueue()
            requests = [compiled.create_infer_request() for _ in range(streams)]
            self._stateful = bool(requests[0].query_state())
            for request in requests:
                self._requests.put(request)
            used = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        except RuntimeError as error:  # every error of its C++ core
            raise ModelFailed(
                f"Model {path.name}: OpenVINO cannot load it: {_first_line(error)}"
            ) from error
        self._dtypes = {
            port.get_any_name(): port.element_type.to_dtype() for port in compiled.inputs
        }
        self._outputs = range(len(compiled.outputs))
        self.inputs = tuple(self._dtypes)
        self.streams = streams
        self.detail = (
            f"openvino {openvino.__version__.partition('-')[0]}, {_NAMES.get(used, used)}, "
            f"{streams} streams of one thread, "
            f"{' '.join(cpu_features()) or 'processor features unknown'}"
        )

    def run(self, batch: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        try:
            inputs = {
                name: batch[name].astype(kind, copy=False) for name, kind in self._dtypes.items()
            }
        except KeyError as error:
            raise ModelFailed(f"Model {self._model} also wants the input {error}") from error
        request = self._requests.get()
        try:
            if self._stateful:
                request.reset_state()  # of the inference before
            request.infer(inputs, share_inputs=True, share_outputs=True)
            return [request.get_output_tensor(index).data.copy() for index in self._outputs]
        except RuntimeError as error:
            raise ModelFailed(
                f"Model {self._model}: OpenVINO failed: {_first_line(error)}"
            ) from error
        finally:
            self._requests.put(request)


def _choose(wanted: Precision) -> Literal["float32", "bfloat16"]:
    native = has_bfloat16()
    if wanted == "bfloat16" and not native:
        raise ModelFailed(
            "this processor does not compute in bfloat16, which would be slower than float32; "
            "choose float32"
        )
    return "bfloat16" if native and wanted != "float32" else "float32"


def _first_line(error: RuntimeError) -> str:
    """Return the message of an OpenVINO error without its C++ file names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (useful or lines or ["no reason given"])[0][:300]
