"""CenterFace (Xu et al. 2019, https://arxiv.org/abs/1911.03599) for images of any size.

The published file is fixed to ten images of 32 x 32 pixels, though nothing in its graph depends on
that, and answers with landmarks that a blur has no use for.
"""

from __future__ import annotations

from typing import Final

import onnx
from onnx import TensorProto, helper

IMAGE: Final = "input.1"
OUTPUTS: Final = (("537", 1), ("538", 2), ("539", 2))
"""Names and channels: heat map, log of height and width, offsets of y and x."""
_LANDMARKS: Final = "540"


def centerface_model(content: bytes, licence: str) -> bytes:
    """The ONNX file: one image (1, 3, height, width) float32 RGB, 0..255, sides multiples of 32.

    The same bytes each time.
    """
    model = onnx.load_model_from_string(content)
    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    kept = [node for node in graph.node if _LANDMARKS not in node.output]
    del graph.input[:], graph.output[:], graph.initializer[:], graph.node[:]
    graph.input.append(_image(IMAGE, 3, "height", "width"))
    graph.output.extend(_image(name, channels, "rows", "columns") for name, channels in OUTPUTS)
    graph.initializer.extend(weights)
    graph.node.extend(kept)
    entry = model.metadata_props.add()
    entry.key, entry.value = "license", licence
    onnx.checker.check_model(model)
    result: bytes = model.SerializeToString(deterministic=True)
    return result


def _image(name: str, channels: int, height: str, width: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, height, width])
