"""Writes a BERT sentence encoder as an OpenVINO graph, from its weights alone: no PyTorch.

The layers are those of Devlin et al., 2018 (https://arxiv.org/abs/1810.04805), named as
Hugging Face's `BertModel` names its tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

Weights = Mapping[str, NDArray[np.float32]]
_MASKED = np.float32(-3.4e38)
"""Added to the score of padding: nothing is left of it after softmax."""


@dataclass(frozen=True, slots=True)
class BertConfig:
    """What `config.json` says of the layers."""

    hidden_size: int
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float

    @property
    def head_size(self) -> int:
        """Dimensions of one attention head."""
        return self.hidden_size // self.num_attention_heads


def sentence_encoder(weights: Weights, config: BertConfig) -> openvino.Model:
    """The encoder with mean pooling over the tokens that are none of padding.

    Inputs `input_ids` and `attention_mask`, both int32 (batch, tokens); output
    `sentence_embedding`, float32 (batch, dimensions), not normalised. Token types are those of a
    single text.

    Raises:
        KeyError: A tensor is missing.
    """
    return _Writer(weights, config).model()


class _Writer:
    def __init__(self, weights: Weights, config: BertConfig) -> None:
        self._weights = weights
        self._config = config

    def model(self) -> openvino.Model:
        ids = ops.parameter([-1, -1], np.int32, name="input_ids")
        mask = ops.parameter([-1, -1], np.int32, name="attention_mask")
        for node in (ids, mask):
            node.output(0).set_names({node.get_friendly_name()})
        visible = ops.convert(mask, "f32")
        hidden = self._embeddings(ids)
        bias = self._attention_bias(visible)
        for index in range(self._config.num_hidden_layers):
            hidden = self._layer(hidden, bias, f"encoder.layer.{index}.")
        pooled = _mean_of_visible(hidden, visible)
        pooled.output(0).set_names({"sentence_embedding"})
        return openvino.Model([pooled], [ids, mask], "sentence_encoder")

    def _embeddings(self, ids: Any) -> Any:
        words = ops.gather(self._constant("embeddings.word_embeddings.weight"), ids, _int(0))
        # Every token is of type 0, so that its embedding is part of the position's.
        positions = (
            self._weights["embeddings.position_embeddings.weight"]
            + self._weights["embeddings.token_type_embeddings.weight"][:1]
        )
        length = ops.gather(ops.shape_of(ids, output_type="i32"), _ints(1), _int(0))
        placed = ops.slice(ops.constant(positions), _ints(0), length, _ints(1), _ints(0))
        return self._layer_norm(ops.add(words, placed), "embeddings.LayerNorm")

    def _attention_bias(self, visible: Any) -> Any:
        hidden = ops.subtract(_float(1), visible)
        return ops.unsqueeze(ops.multiply(hidden, ops.constant(_MASKED)), _ints(1, 2))

    def _layer(self, hidden: Any, bias: Any, layer: str) -> Any:
        attention = f"{layer}attention."
        query, key, value = (
            self._heads(self._dense(hidden, f"{attention}self.{name}"))
            for name in ("query", "key", "value")
        )
        scale = _float(self._config.head_size**-0.5)
        scores = ops.add(
            ops.matmul(ops.multiply(query, scale), key, transpose_a=False, transpose_b=True), bias
        )
        context = ops.matmul(ops.softmax(scores, -1), value, False, False)
        merged = ops.reshape(
            ops.transpose(context, _ints(0, 2, 1, 3)),
            _ints(0, 0, self._config.hidden_size),
            special_zero=True,
        )
        attended = self._dense(merged, f"{attention}output.dense")
        hidden = self._layer_norm(ops.add(attended, hidden), f"{attention}output.LayerNorm")
        inner = ops.gelu(self._dense(hidden, f"{layer}intermediate.dense"), "erf")
        outer = self._dense(inner, f"{layer}output.dense")
        return self._layer_norm(ops.add(outer, hidden), f"{layer}output.LayerNorm")

    def _heads(self, projected: Any) -> Any:
        shape = _ints(0, 0, self._config.num_attention_heads, self._config.head_size)
        split = ops.reshape(projected, shape, special_zero=True)
        return ops.transpose(split, _ints(0, 2, 1, 3))

    def _dense(self, inputs: Any, name: str) -> Any:
        product = ops.matmul(inputs, self._constant(f"{name}.weight"), False, True, name=name)
        return ops.add(product, self._constant(f"{name}.bias"))

    def _layer_norm(self, inputs: Any, name: str) -> Any:
        normal = ops.mvn(inputs, _ints(-1), True, self._config.layer_norm_eps, "inside_sqrt")
        scaled = ops.multiply(normal, self._constant(f"{name}.weight"))
        return ops.add(scaled, self._constant(f"{name}.bias"))

    def _constant(self, name: str) -> Any:
        return ops.constant(self._weights[name], name=name)


def _mean_of_visible(hidden: Any, visible: Any) -> Any:
    # A product of matrices: (batch, 1, tokens) by (batch, tokens, dimensions).
    total = ops.squeeze(
        ops.matmul(ops.unsqueeze(visible, _ints(1)), hidden, False, False), _ints(1)
    )
    count = ops.reduce_sum(visible, _ints(1), keep_dims=True)
    return ops.divide(total, ops.maximum(count, _float(1)))


def _int(value: int) -> Any:
    return ops.constant(value, np.int32)


def _ints(*values: int) -> Any:
    return ops.constant(list(values), np.int32)


def _float(value: float) -> Any:
    return ops.constant(value, np.float32)
