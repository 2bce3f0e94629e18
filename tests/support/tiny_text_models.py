"""Small networks of the right architecture, with random weights: a BERT cross-encoder and a T5.

They are written as ONNX, by hand and from the papers, so that no exporter is needed; OpenVINO makes
IR of them. Their answers mean nothing and depend on everything: on each token, its place, its type
and its mask.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = (
    "turn on off the light kitchen lamp is it a reranker ? yes no energy comfort security model "
    "convenience high medium low why does heating run at night door open window : , ."
)
_HIDDEN, _HEADS, _LAYERS, _INNER = 16, 2, 2, 32
_T5_LENGTH = 64
"""Longest text of the tiny T5: its table of relative places ends there."""


class _Graph:
    """Collects the nodes of one ONNX graph; each method gives the name of its result."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weight(self, *shape: int, scale: float = 0.4) -> str:
        return self.constant(self._random.normal(0, scale, shape))

    def linear(self, x: str, out: int, size: int = _HIDDEN, *, bias: bool = True) -> str:
        product = self.op("MatMul", x, self.weight(size, out))
        return self.op("Add", product, self.weight(out)) if bias else product

    def heads(self, x: str) -> str:
        """(rows, tokens, hidden) → (rows, heads, tokens, hidden / heads)."""
        shape = self.constant([0, 0, _HEADS, _HIDDEN // _HEADS], np.int64)
        return self.op("Transpose", self.op("Reshape", x, shape), perm=[0, 2, 1, 3])

    def attention(self, x: str, memory: str, bias: str, scale: float, *, biases: bool) -> str:
        query, key, value = (
            self.heads(self.linear(source, _HIDDEN, bias=biases)) for source in (x, memory, memory)
        )
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 1, 3, 2]))
        scores = self.op("Mul", scores, self.constant(scale))
        weights = self.op("Softmax", self.op("Add", scores, bias), axis=-1)
        mixed = self.op("Transpose", self.op("MatMul", weights, value), perm=[0, 2, 1, 3])
        flat = self.op("Reshape", mixed, self.constant([0, 0, _HIDDEN], np.int64))
        return self.linear(flat, _HIDDEN, bias=biases)

    def layer_norm(self, x: str) -> str:
        centred = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1]))
        return self.op("Add", self._scaled(centred), self.weight(_HIDDEN))

    def rms_norm(self, x: str) -> str:
        return self._scaled(x)

    def _scaled(self, x: str) -> str:
        square = self.op("ReduceMean", self.op("Mul", x, x), axes=[-1])
        root = self.op("Sqrt", self.op("Add", square, self.constant(1e-6)))
        return self.op("Mul", self.op("Div", x, root), self.weight(_HIDDEN, scale=1.0))

    def mask(self, mask: str) -> str:
        """(rows, tokens) of 1 and 0 → (rows, 1, 1, tokens) of 0 and minus very much."""
        wide = self.op("Unsqueeze", mask, self.constant([1, 2], np.int64))
        missing = self.op("Sub", self.constant(1.0), self.op("Cast", wide, to=TensorProto.FLOAT))
        return self.op("Mul", missing, self.constant(-1e9))

    def length(self, ids: str) -> str:
        """Tokens in a row, (1,)."""
        shape = self.op("Shape", ids)
        return self.op("Gather", shape, self.constant([1], np.int64))

    def save(self, path: Path, inputs: dict[str, int], output: str, shape: list[Any]) -> Path:
        self._nodes.append(helper.make_node("Identity", [output], ["logits"]))
        shapes = {"encoder_hidden_states": ["rows", "read", _HIDDEN]}
        shapes["encoder_attention_mask"] = ["rows", "read"]
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [
                helper.make_tensor_value_info(name, kind, shapes.get(name, ["rows", "tokens"]))
                for name, kind in inputs.items()
            ],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8  # that of the opset's year; runtimes lag behind the newest
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
        return path


def write_cross_encoder(
    folder: Path, *, ir: bool = False, labels: int = 1, types: bool = True, seed: int = 1
) -> Path:
    """A BERT sequence classifier (Devlin et al., 2018) and its tokenizer; the folder.

    Args:
        ir: As `openvino_model.xml` instead of `model.onnx`.
        labels: Of the classifier.
        types: Whether it has token types; RoBERTa's kind has none.
    """
    tokenizer = write_tokenizer(folder, pair=True)
    graph = _Graph(seed)
    positions = graph.op(
        "Slice",
        graph.weight(512, _HIDDEN),
        graph.constant([0], np.int64),
        graph.length("input_ids"),
    )
    words = graph.op("Gather", graph.weight(tokenizer.get_vocab_size(), _HIDDEN), "input_ids")
    x = graph.op("Add", words, positions)
    if types:
        x = graph.op("Add", x, graph.op("Gather", graph.weight(2, _HIDDEN), "token_type_ids"))
    x, bias = graph.layer_norm(x), graph.mask("attention_mask")
    for _ in range(_LAYERS):
        seen = graph.attention(x, x, bias, 1 / math.sqrt(_HIDDEN / _HEADS), biases=True)
        x = graph.layer_norm(graph.op("Add", x, seen))
        inner = graph.op("Tanh", graph.linear(x, _INNER))
        x = graph.layer_norm(graph.op("Add", x, graph.linear(inner, _HIDDEN, _INNER)))
    first = graph.op("Gather", x, graph.constant(0, np.int64), axis=1)
    answer = graph.linear(graph.op("Tanh", graph.linear(first, _HIDDEN)), labels)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if types else [])]
    path = folder / "model.onnx"
    graph.save(path, dict.fromkeys(names, TensorProto.INT64), answer, ["rows", labels])
    if ir:
        _as_ir(path, folder / "openvino_model.xml")
    return folder


def write_t5(folder: Path, *, ir: bool = False, seed: int = 2) -> Path:
    """A T5 (Raffel et al., 2019), encoder and decoder apart, and its tokenizer; the folder."""
    tokenizer = write_tokenizer(folder, pair=False)
    vocabulary = tokenizer.get_vocab_size()
    embedding = np.random.default_rng(seed).normal(0, 1, (vocabulary, _HIDDEN))

    encoder = _Graph(seed + 1)
    x = encoder.op("Gather", encoder.constant(embedding), "input_ids")
    bias = encoder.op(
        "Add", _relative_bias(encoder, "input_ids", causal=False), encoder.mask("attention_mask")
    )
    for _ in range(_LAYERS):
        normed = encoder.rms_norm(x)
        x = encoder.op("Add", x, encoder.attention(normed, normed, bias, 1.0, biases=False))
        x = encoder.op("Add", x, _t5_inner(encoder, x))
    inputs = dict.fromkeys(("input_ids", "attention_mask"), TensorProto.INT64)
    shape = ["rows", "tokens", _HIDDEN]
    encoder.save(folder / "encoder_model.onnx", inputs, encoder.rms_norm(x), shape)

    decoder = _Graph(seed + 2)
    x = decoder.op("Gather", decoder.constant(embedding), "input_ids")
    own = _relative_bias(decoder, "input_ids", causal=True)
    across = decoder.mask("encoder_attention_mask")
    for _ in range(_LAYERS):
        normed = decoder.rms_norm(x)
        x = decoder.op("Add", x, decoder.attention(normed, normed, own, 1.0, biases=False))
        normed = decoder.rms_norm(x)
        read = decoder.attention(normed, "encoder_hidden_states", across, 1.0, biases=False)
        x = decoder.op("Add", x, read)
        x = decoder.op("Add", x, _t5_inner(decoder, x))
    last = decoder.op("Mul", decoder.rms_norm(x), decoder.constant(_HIDDEN**-0.5))
    logits = decoder.op("MatMul", last, decoder.constant(embedding.T))
    inputs = {
        "input_ids": TensorProto.INT64,
        "encoder_hidden_states": TensorProto.FLOAT,
        "encoder_attention_mask": TensorProto.INT64,
    }
    shape = ["rows", "tokens", vocabulary]
    decoder.save(folder / "decoder_model.onnx", inputs, logits, shape)
    (folder / "config.json").write_text(json.dumps({"decoder_start_token_id": 0}))
    if ir:
        for part in ("encoder", "decoder"):
            _as_ir(folder / f"{part}_model.onnx", folder / f"openvino_{part}_model.xml")
    return folder


def write_tokenizer(folder: Path, *, pair: bool) -> Tokenizer:
    """A word-level `tokenizer.json` that marks texts as BERT's does, or as T5's."""
    special = ["<pad>", "</s>", "<unk>", "[CLS]", "[SEP]"]
    words = [*special, *dict.fromkeys(WORDS.split())]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ids = [(word, vocabulary[word]) for word in special]
    if pair:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
        )
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B </s>", special_tokens=ids
        )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def _t5_inner(graph: _Graph, x: str) -> str:
    inner = graph.op("Relu", graph.linear(graph.rms_norm(x), _INNER, bias=False))
    return graph.linear(inner, _HIDDEN, _INNER, bias=False)


def _relative_bias(graph: _Graph, ids: str, *, causal: bool) -> str:
    """(1, heads, tokens, tokens), of what lies ahead minus very much where `causal`."""
    table = graph._random.normal(0, 1, (32, _HEADS))
    places = np.arange(_T5_LENGTH)
    ahead = places[None, :] - places[:, None]
    bias = table[_buckets(ahead, causal=causal)].transpose(2, 0, 1)
    if causal:
        bias = np.where(ahead > 0, -1e9, bias)
    length = graph.length(ids)
    ends = graph.op("Concat", length, length, axis=0)
    starts, axes = graph.constant([0, 0], np.int64), graph.constant([2, 3], np.int64)
    return graph.op("Slice", graph.constant(bias[None]), starts, ends, axes)


def _buckets(ahead: NDArray[np.int64], *, causal: bool) -> NDArray[np.int64]:
    """Of 32: near places apart, far ones together, by the logarithm up to 128 (T5's figure)."""
    count = 32 if causal else 16
    offset = np.zeros_like(ahead) if causal else np.where(ahead > 0, count, 0)
    distance = np.maximum(-ahead, 0) if causal else np.abs(ahead)
    exact = count // 2
    far = np.log(np.maximum(distance, 1) / exact) / math.log(128 / exact) * (count - exact)
    bucket = np.where(distance < exact, distance, np.minimum(exact + far, count - 1))
    return offset + bucket.astype(np.int64)


def _as_ir(onnx_file: Path, xml: Path) -> None:
    model = openvino.Core().read_model(onnx_file)
    openvino.save_model(model, xml, compress_to_fp16=False)
    onnx_file.unlink()
