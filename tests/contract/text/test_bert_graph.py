"""The graph that is written is BERT: against NumPy, on small random weights."""

from __future__ import annotations

import math

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from hearth_text.conversion.bert_graph import BertConfig, sentence_encoder

CONFIG = BertConfig(
    hidden_size=12, num_attention_heads=3, num_hidden_layers=2, layer_norm_eps=1e-12
)
VOCABULARY, POSITIONS, INNER = 20, 16, 24
Array = NDArray[np.float64]


def random_weights() -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(7)
    size = CONFIG.hidden_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, size),
        "embeddings.position_embeddings.weight": (POSITIONS, size),
        "embeddings.token_type_embeddings.weight": (2, size),
        "embeddings.LayerNorm.weight": (size,),
        "embeddings.LayerNorm.bias": (size,),
    }
    for index in range(CONFIG.num_hidden_layers):
        layer = f"encoder.layer.{index}."
        dense = {
            "attention.self.query": (size, size),
            "attention.self.key": (size, size),
            "attention.self.value": (size, size),
            "attention.output.dense": (size, size),
            "intermediate.dense": (INNER, size),
            "output.dense": (size, INNER),
        }
        for name, shape in dense.items():
            shapes |= {f"{layer}{name}.weight": shape, f"{layer}{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{layer}{name}.weight": (size,), f"{layer}{name}.bias": (size,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def layer_norm(x: Array, weights: dict[str, NDArray[np.float32]], name: str) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + CONFIG.layer_norm_eps)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def encode(weights: dict[str, NDArray[np.float32]], ids: list[int]) -> Array:
    """BERT as its paper says it, for one text without padding: the mean over its tokens."""

    def dense(x: Array, name: str) -> Array:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    hidden = (
        weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    hidden = layer_norm(hidden, weights, "embeddings.LayerNorm")
    for index in range(CONFIG.num_hidden_layers):
        layer = f"encoder.layer.{index}."
        query, key, value = (
            dense(hidden, f"{layer}attention.self.{name}") for name in ("query", "key", "value")
        )
        heads = []
        for head in range(CONFIG.num_attention_heads):
            part = slice(head * CONFIG.head_size, (head + 1) * CONFIG.head_size)
            scores = query[:, part] @ key[:, part].T / math.sqrt(CONFIG.head_size)
            share = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(share / share.sum(-1, keepdims=True) @ value[:, part])
        attended = dense(np.concatenate(heads, -1), f"{layer}attention.output.dense")
        hidden = layer_norm(hidden + attended, weights, f"{layer}attention.output.LayerNorm")
        inner = dense(hidden, f"{layer}intermediate.dense")
        gelu = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        outer = dense(gelu, f"{layer}output.dense")
        hidden = layer_norm(hidden + outer, weights, f"{layer}output.LayerNorm")
    return hidden.mean(0)


def test_it_computes_what_the_paper_says_whatever_the_padding() -> None:
    weights = random_weights()
    graph = openvino.Core().compile_model(
        sentence_encoder(weights, CONFIG), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    texts = [[3, 5, 7, 2], [9], list(range(1, 17)), [4, 4]]
    longest = max(map(len, texts))
    ids = np.array([text + [0] * (longest - len(text)) for text in texts], np.int32)
    mask = np.array([[1] * len(text) + [0] * (longest - len(text)) for text in texts], np.int32)
    answer = graph({"input_ids": ids, "attention_mask": mask})[0]
    for text, row in zip(texts, answer, strict=True):
        np.testing.assert_allclose(row, encode(weights, text), atol=2e-5)


def test_a_tensor_that_is_missing_is_named() -> None:
    weights = random_weights()
    del weights["encoder.layer.1.output.dense.bias"]
    with pytest.raises(KeyError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        sentence_encoder(weights, CONFIG)
