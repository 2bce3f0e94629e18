"""Loads foreign models from folders that Hugging Face's tools write.

A folder holds `tokenizer.json` and the network as OpenVINO IR or ONNX: `openvino_model.xml`,
`model.xml` or `model.onnx` (also under `onnx/`); of a sequence-to-sequence model the encoder and
the decoder apart, and `config.json`. The hash covers every file that was read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from hearth.errors import ModelFailed, ModelUnavailable
from hearth_text import cross_encoder, seq2seq
from hearth_text.backends.open_vino import OpenVinoProgram
from hearth_text.backends.program import Precision
from hearth_text.cross_encoder import CrossEncoder
from hearth_text.seq2seq import Seq2SeqScorer
from hearth_text.store import Loaded
from hearth_text.tokens import TextTokenizer

T = TypeVar("T")

_NETWORKS: Final = ("openvino_model.xml", "model.xml", "model.onnx", "onnx/model.onnx")
_ENCODERS: Final = ("openvino_encoder_model.xml", "encoder_model.onnx", "onnx/encoder_model.onnx")
_DECODERS: Final = ("openvino_decoder_model.xml", "decoder_model.onnx", "onnx/decoder_model.onnx")
_T5_START: Final = 0
_IN_MEMORY: Final = 1.25
"""Bytes of memory for each byte of a network's file: the weights, and a quarter for the work."""


@dataclass(frozen=True, slots=True)
class Running:
    """How networks are run; see OpenVinoProgram."""

    streams: int = 1
    precision: Precision = "auto"
    cache: Path | None = None

    def program(self, network: Path) -> OpenVinoProgram:
        """Compile a network.

        Raises:
            ModelFailed: It cannot be run.
        """
        return OpenVinoProgram(
            network, streams=self.streams, precision=self.precision, cache=self.cache
        )


def load_cross_encoder(folder: Path, running: Running) -> Loaded[CrossEncoder]:
    """Load and try out a reranker such as bge-reranker.

    Raises:
        ModelUnavailable: There is none in the folder.
        ModelFailed: It cannot be run, or is no reranker.
    """
    network, tokenizer = _find(folder, _NETWORKS), _find(folder, ("tokenizer.json",))
    model = CrossEncoder(
        folder.name, TextTokenizer(tokenizer, cross_encoder.MAX_TOKENS), running.program(network)
    )
    model.score("is it a reranker?", ["yes"])
    return _loaded(model, model.detail, [network], [tokenizer])


def load_seq2seq(folder: Path, running: Running) -> Loaded[Seq2SeqScorer]:
    """Load and try out a model such as flan-t5.

    Raises:
        ModelUnavailable: There is none in the folder.
        ModelFailed: It cannot be run, or is no sequence-to-sequence model.
    """
    encoder, decoder = _find(folder, _ENCODERS), _find(folder, _DECODERS)
    tokenizer, config = _find(folder, ("tokenizer.json",)), _find(folder, ("config.json",))
    start = _read_json(config).get("decoder_start_token_id", _T5_START)
    if not isinstance(start, int):
        raise ModelFailed(f"model {folder.name}: decoder_start_token_id is {start!r}, no number")
    model = Seq2SeqScorer(
        folder.name,
        TextTokenizer(tokenizer, seq2seq.MAX_TOKENS),
        running.program(encoder),
        running.program(decoder),
        start,
    )
    model.log_probabilities("Is it a model?", ["yes", "no"])
    return _loaded(model, model.detail, [encoder, decoder], [tokenizer, config])


def _loaded(model: T, detail: str, networks: Sequence[Path], others: Sequence[Path]) -> Loaded[T]:
    files = [file for network in networks for file in _files_of(network)]
    return Loaded(
        model,
        _sha256([*files, *others]),
        detail,
        int(sum(file.stat().st_size for file in files) * _IN_MEMORY),
    )


def _find(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ModelUnavailable(
        f"model {folder.name} is not installed: {folder} holds none of {', '.join(names)}"
    )


def _files_of(network: Path) -> list[Path]:
    """List a network's files, with the .bin of an IR or the external data of ONNX."""
    if network.suffix == ".xml":
        return [network, network.with_suffix(".bin")]
    return [network, *sorted(network.parent.glob(f"{network.name}[_.]data*"))]


def _sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFailed(f"{path} cannot be read as JSON ({type(error).__name__})") from error
    if not isinstance(value, dict):
        raise ModelFailed(f"{path} holds no object")
    return value
