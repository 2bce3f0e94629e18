"""Converts ONNX to OpenVINO's format, in float32 and quantized to eight bits (NNCF, post-training).

The one module that reaches OpenVINO beside the backend, because converting is no inference.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

# The backend imports OpenVINO in the way that leaves no identifier for usage data on this machine.
from hearth.errors import ModelFailed
from hearth_vision.backends import open_vino as _backend  # noqa: F401
from hearth_vision.backends.model_input import DTYPES
from hearth_vision.backends.program import write_tensor
from hearth_vision.images import Bgr
from hearth_vision.letterbox import InputFormat, letterbox

import openvino  # isort: skip
from openvino._offline_transformations import (  # isort: skip
    apply_moc_transformations as _simplify,
)

WEIGHTED: Final = frozenset(
    {"Convolution", "GroupConvolution", "MatMul", "ConvolutionBackpropData"}
)


def convert(path: Path, target: Path) -> None:
    """Write a graph as OpenVINO's `.xml` and `.bin`, weights in full precision.

    Raises:
        ModelFailed: OpenVINO cannot read it.
    """
    _save(_simplified(path), target)


def quantize(
    path: Path,
    target: Path,
    images: Sequence[Bgr],
    form: InputFormat,
    size: tuple[int, int],
    *,
    keep_last: bool,
) -> str:
    """Write a graph whose convolutions compute in eight bits.

    What follows the last convolutions (box decoding, sigmoids, concatenation) stays as it is: there
    coordinates of hundreds of pixels and scores of 0..1 would share one scale of 256 steps.

    Args:
        path: ONNX file.
        target: `.xml`; weights come to lie beside it.
        images: To calibrate on, (H, W, 3) uint8, BGR.
        form: How the model wants its pixels.
        size: (height, width) to run at.
        keep_last: Leave the last convolutions as they are, too.

    Returns:
        How, for people.

    Raises:
        ModelFailed: NNCF cannot quantize it.
    """
    nncf = _nncf()
    graph = _simplified(path)
    name = graph.inputs[0].element_type.get_type_name()
    dtype = DTYPES[{"f32": "float32", "f16": "float16"}[name]]
    free = graph.inputs[0].partial_shape
    graph.reshape([1, 3, *size])
    tail, last = tail_of(graph)
    ignored = sorted(tail | (last if keep_last else set()))

    def tensor(image: Bgr) -> Any:
        out = np.empty((1, 3, *size), dtype)
        placed, _ = letterbox(image, size, centred=form.centred)
        write_tensor(placed, form, out)
        return out

    # Its progress bars go to stdout, which is for answers.
    try:
        with contextlib.redirect_stdout(sys.stderr):
            made = nncf.quantize(
                graph,
                nncf.Dataset(list(images), tensor),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(images),
                # Operations that fold into constants are gone by then.
                ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
            )
    except Exception as error:  # NNCF and OpenVINO raise a dozen unrelated types
        raise ModelFailed(
            f"model {path.name}: NNCF cannot quantize it: {str(error).splitlines()[0][:200]}"
        ) from error
    if not any(operation.get_type_name() == "FakeQuantize" for operation in made.get_ops()):
        raise ModelFailed(f"model {path.name}: nothing in it can be quantized")
    if free.is_dynamic:
        made.reshape(free)
    _save(made, target)
    what = "decoding and last convolutions" if keep_last else "decoding"
    return f"NNCF post-training on {len(images)} frames; {what} kept"


def tail_of(graph: Any) -> tuple[set[str], set[str]]:
    """The last weighted operations on each way to an output, and what follows them.

    Args:
        graph: An `openvino.Model`.

    Returns:
        Names of what follows, and of those last ones.
    """
    tail: dict[str, str] = {}
    last: set[str] = set()
    waiting = list(graph.get_results())
    while waiting:
        node = waiting.pop()
        name = node.get_friendly_name()
        if name in tail:
            continue
        if node.get_type_name() in WEIGHTED:
            last.add(name)
            continue
        tail[name] = node.get_type_name()
        waiting += [value.get_source_output().get_node() for value in node.inputs()]
    skip = {"Constant", "Parameter", "Result"}
    return {name for name, kind in tail.items() if kind not in skip}, last


def openvino_version() -> str:
    """The converter's description, for records."""
    return str(openvino.__version__).partition("-")[0]


def _read(path: Path) -> Any:
    try:
        return openvino.Core().read_model(path)
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or ["no reason given"]
        raise ModelFailed(
            f"model {path.name}: OpenVINO cannot read it: {lines[-1].strip()[:200]}"
        ) from error


def _simplified(path: Path) -> Any:
    """A graph as OpenVINO's own converter leaves it: biases constant, SiLU one operation.

    NNCF knows a convolution by that form. Otherwise it corrects no bias, and puts a step of eight
    bits between a SiLU's two halves, which then run apart from their convolution (a third of the
    time of YOLOv8n). The converter itself is not imported: it keeps an identifier for usage data.
    """
    graph = _read(path)
    _simplify(graph, cf=True)
    return graph


def _save(graph: Any, target: Path) -> None:
    openvino.save_model(graph, target, compress_to_fp16=False)


def _nncf() -> Any:
    """NNCF, without its usage reporting, which keeps an identifier in the home folder."""
    reporting = "openvino_telemetry"
    held = sys.modules.get(reporting)
    sys.modules[reporting] = None  # type: ignore[assignment]  # it does without
    try:
        import nncf
    finally:
        del sys.modules[reporting]
        if held is not None:
            sys.modules[reporting] = held
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf
